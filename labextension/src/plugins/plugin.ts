/** What the extension adds to a page with notebooks. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette, ISessionContextDialogs, SessionContextDialogs } from "@jupyterlab/apputils";
import { INotebookTracker } from "@jupyterlab/notebook";
import { ISettingRegistry } from "@jupyterlab/settingregistry";

import { showBadges } from "./badges";
import { Books } from "./book";
import { addCommands } from "./commands";
import { showPictures } from "./leftover";
import { Settings } from "./settings";

const ID = "milepost:plugin";

export const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "Shows what the checkpoints of a notebook's tasks say, and steers the tasks.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ISettingRegistry, ICommandPalette, ISessionContextDialogs],
  activate
};

function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  registry: ISettingRegistry | null,
  palette: ICommandPalette | null,
  dialogs: ISessionContextDialogs | null
): void {
  const settings = new Settings(ID, registry);
  const books = new Books(tracker, book => {
    void showPictures(book.panel).catch(() => undefined);
  });
  showBadges(books, settings);
  addCommands(app, books, dialogs ?? new SessionContextDialogs(), palette);
}
