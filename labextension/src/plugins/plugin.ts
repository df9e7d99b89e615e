/** What the extension adds to a page with notebooks. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette, ISessionContextDialogs, SessionContextDialogs } from "@jupyterlab/apputils";
import { INotebookTracker } from "@jupyterlab/notebook";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { IStatusBar } from "@jupyterlab/statusbar";
import { Menu } from "@lumino/widgets";

import { runAsked } from "./asked";
import { showBadges } from "./badges";
import { type Book, Books, IBooks } from "./book";
import { addCellCommands } from "./cell-commands";
import { addCommands } from "./commands";
import { Offer } from "./offer";
import { drawOutputs } from "./output";
import { addPanel } from "./panel";
import { Settings } from "./settings";
import { addStatus } from "./status";

const ID = "milepost:plugin";

export const plugin: JupyterFrontEndPlugin<Books> = {
  id: ID,
  description: "Shows what the checkpoints of a notebook's tasks say, and steers the tasks.",
  autoStart: true,
  provides: IBooks,
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
): Books {
  const settings = new Settings(ID, registry);
  const chosen = dialogs ?? new SessionContextDialogs();
  const books = new Books(tracker, book => {
    const offer = new Offer(book, chosen);
    book.panel.contentHeader.addWidget(offer);
    drawOutputs(book);
    void settings.ready.then(() => open(app, book, offer, settings)).catch(() => undefined);
  });
  showBadges(books, settings, new Menu({ commands: app.commands }));
  addCommands(app, books, chosen, palette);
  addCellCommands(app, books, palette);
  addPanel(app, books, tracker);
  runAsked(books, chosen);
  if (bar) {
    addStatus(app, books, bar);
  }
  return books;
}

/** Shows what is saved; where a person chose that, restores it in a kernel in which nothing has run yet. */
async function open(app: JupyterFrontEnd, book: Book, offer: Offer, settings: Settings): Promise<void> {
  await book.look(app.serviceManager.contents);
  await book.panel.sessionContext.ready;
  if (settings.restoreOnOpen && (await book.isFresh())) {
    await offer.accept();
  }
}
