/** What the extension adds to a page with notebooks. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette, ISessionContextDialogs, SessionContextDialogs } from "@jupyterlab/apputils";
import { INotebookTracker } from "@jupyterlab/notebook";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { IStatusBar } from "@jupyterlab/statusbar";
import { Menu } from "@lumino/widgets";

import { showBadges } from "./badges";
import { Books } from "./book";
import { addCellCommands } from "./cell-commands";
import { addCommands } from "./commands";
import { showPictures } from "./leftover";
import { addPanel } from "./panel";
import { Settings } from "./settings";
import { addStatus } from "./status";

const ID = "milepost:plugin";

export const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "Shows what the checkpoints of a notebook's tasks say, and steers the tasks.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ISettingRegistry, ICommandPalette, ISessionContextDialogs, IStatusBar],
  activate
};

function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  registry: ISettingRegistry | null,
  palette: ICommandPalette | null,
  dialogs: ISessionContextDialogs | null,
  bar: IStatusBar | null
): void {
  const settings = new Settings(ID, registry);
  const books = new Books(tracker, book => {
    void showPictures(book.panel).catch(() => undefined);
  });
  showBadges(books, settings, new Menu({ commands: app.commands }));
  addCommands(app, books, dialogs ?? new SessionContextDialogs(), palette);
  addCellCommands(app, books, palette);
  addPanel(app, books, tracker);
  if (bar) {
    addStatus(app, books, bar);
  }
}
