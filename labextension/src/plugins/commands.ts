/** What can be done to the tasks of the current notebook: palette, menus, shortcuts, toolbar. */

import type { JupyterFrontEnd } from "@jupyterlab/application";
import { type ICommandPalette, type ISessionContextDialogs } from "@jupyterlab/apputils";

import { type Buttons, buttons, isStale } from "../model";
import type { Action } from "../protocol";
import type { Book, Books } from "./book";
import { icon } from "./icon";
import { PANEL } from "./panel";
import { cellsToRestore, cellsToResume, restorable, runCells, staleCells } from "./run";
import { told } from "./told";

interface Command {
  label: string;
  caption: string;
  icon?: typeof icon;
  enabled: (book: Book) => boolean;
  run: (book: Book) => Promise<unknown>;
}

export function addCommands(
  app: JupyterFrontEnd,
  books: Books,
  dialogs: ISessionContextDialogs,
  palette: ICommandPalette | null
): void {
  const { commands } = app;
  const all = table(dialogs);
  commands.addCommand("milepost:show-panel", {
    label: "Task Graph",
    caption: "Show the tasks of the current notebook beside it",
    icon,
    describedBy: { args: { type: "object", properties: {} } },
    execute: () => {
      app.shell.activateById(PANEL);
    }
  });
  palette?.addItem({ command: "milepost:show-panel", category: "Milepost" });
  for (const [id, command] of Object.entries(all)) {
    commands.addCommand(id, {
      label: args => (args["toolbar"] ? "" : command.label),
      caption: command.caption,
      describedBy: { args: TOOLBAR },
      icon: args => (args["toolbar"] ? command.icon : undefined),
      isEnabled: () => books.current !== null && command.enabled(books.current),
      isVisible: args => !args["toolbar"] || Boolean(books.current?.taskCells.length),
      execute: () => (books.current ? told(command.run(books.current)) : undefined)
    });
    palette?.addItem({ command: id, category: "Milepost" });
  }
  books.changed.connect(() => {
    Object.keys(all).forEach(id => {
      commands.notifyCommandChanged(id);
    });
  });
}

const TOOLBAR = { type: "object", properties: { toolbar: { type: "boolean" } } } as const;

function table(dialogs: ISessionContextDialogs): Record<string, Command> {
  return {
    "milepost:run-stale": {
      label: "Run Stale Tasks",
      caption: "Run the task cells that are not up to date",
      icon,
      enabled: book => (book.live ? book.taskCells.some(({ task }) => isStale(task)) : book.taskCells.length > 0),
      run: book => runCells(book, staleCells(book), dialogs)
    },
    "milepost:restore": {
      label: "Restore Saved Tasks",
      caption: "Give back what is saved and not loaded yet",
      enabled: book => restorable(book).length > 0,
      run: book => runCells(book, cellsToRestore(book), dialogs)
    },
    "milepost:pause": steering("Pause Tasks", "Start no more tasks", "pause"),
    "milepost:resume": steering("Resume Tasks", "Go on with paused tasks", "resume"),
    "milepost:cancel": steering("Cancel Tasks", "Cancel the tasks that run or wait", "cancel"),
    "milepost:restart-and-resume": {
      label: "Restart Kernel and Resume Tasks…",
      caption: "Restart the kernel, then run the notebook up to its last task: what is saved is restored",
      enabled: book => book.taskCells.length > 0,
      run: async book => {
        if (await dialogs.restart(book.panel.sessionContext)) {
          await runCells(book, cellsToResume(book), dialogs);
        }
      }
    }
  };
}

function steering(label: string, caption: string, action: Action & keyof Buttons): Command {
  return {
    label,
    caption,
    enabled: book => buttons(book.tasks.run, !book.live)[action],
    run: book => book.ask({ action })
  };
}
