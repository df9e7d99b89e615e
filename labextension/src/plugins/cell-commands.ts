/** What can be done to the task of one cell: in the badge's menu, and in the palette for the selected cell. */

import type { JupyterFrontEnd } from "@jupyterlab/application";
import { Dialog, type ICommandPalette, showDialog } from "@jupyterlab/apputils";
import { CodeCell } from "@jupyterlab/cells";
import { Widget } from "@lumino/widgets";

import { html } from "../drawing/elements";
import { explain } from "./badge";
import type { Book, Books, TaskCell } from "./book";
import { say, told } from "./told";

interface CellCommand {
  label: string;
  caption: string;
  /** Whether the kernel has to know the task. */
  live: boolean;
  run: (book: Book, found: TaskCell) => Promise<unknown>;
}

const TABLE: Record<string, CellCommand> = {
  "milepost:explain": {
    label: "Explain Task…",
    caption: "Say why the task ran, was restored, is stale or was not saved",
    live: false,
    run: (_, { name, task }) =>
      showDialog({ title: titleOf(name, task?.name), body: text(explain(name, task)), buttons: [Dialog.okButton({ label: "Close" })] })
  },
  "milepost:run-again": {
    label: "Run Task Again",
    caption: "Compute the task anew, though it may be up to date",
    live: true,
    run: async (book, { cell }) => {
      if (cell instanceof CodeCell) {
        await CodeCell.execute(cell, book.panel.sessionContext, { milepost: { force: true } });
      }
    }
  },
  "milepost:forget": {
    label: "Forget Task…",
    caption: "Drop what is saved of the task",
    live: true,
    run: async (book, { task }) => {
      const body = "What is saved of it is dropped, and its next run computes it anew. Variables in the kernel stay.";
      const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label: "Forget" })];
      const { button } = await showDialog({ title: `Forget ${task?.name ?? ""}?`, body, buttons });
      const reply = button.accept && task ? await book.ask({ action: "forget", task: task.name }) : null;
      if (reply?.message) {
        say(`${task?.name ?? ""} is forgotten ${reply.message}`);
      }
    }
  }
};

export const CELL_COMMANDS = Object.keys(TABLE);

export function addCellCommands(app: JupyterFrontEnd, books: Books, palette: ICommandPalette | null): void {
  const find = (id: unknown): TaskCell | null => books.current?.cell(typeof id === "string" ? id : undefined) ?? null;
  for (const [id, command] of Object.entries(TABLE)) {
    app.commands.addCommand(id, {
      label: command.label,
      caption: command.caption,
      describedBy: { args: { type: "object", properties: { cell: { type: "string", description: "its id" } } } },
      isEnabled: args => {
        const found = find(args["cell"]);
        return found !== null && (!command.live || Boolean(books.current?.live && found.task));
      },
      execute: args => {
        const found = find(args["cell"]);
        return books.current && found ? told(command.run(books.current, found)) : undefined;
      }
    });
    palette?.addItem({ command: id, category: "Milepost" });
  }
}

function titleOf(name: string, known: string | undefined): string {
  return known ?? (name || "Task");
}

/** As text, whatever it holds. */
function text(words: string): Widget {
  return new Widget({ node: html("pre", "milepost-explanation", words) });
}
