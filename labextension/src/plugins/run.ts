/** Which cells a command runs, and running them as a person would. */

import type { ISessionContextDialogs } from "@jupyterlab/apputils";
import type { Cell } from "@jupyterlab/cells";
import { NotebookActions } from "@jupyterlab/notebook";

import { isStale } from "../model";
import { stateKey } from "../words";
import type { Book, TaskCell } from "./book";

/** The task cells that are not up to date; in a kernel without Milepost nothing is, and plain cells count, too. */
export function staleCells(book: Book): Cell[] {
  return book.live
    ? book.taskCells.filter(({ task }) => isStale(task)).map(({ cell }) => cell)
    : cellsToResume(book);
}

/**
 * From the top to the last task: tasks read what plain cells define and set, so these run again, in their order.
 * What is saved is given back by the kernel, where it is still valid.
 */
export function cellsToResume(book: Book): Cell[] {
  const last = book.taskCells.at(-1)?.cell;
  const cells = book.codeCells;
  return last ? cells.slice(0, cells.indexOf(last) + 1) : [];
}

/** The cells whose tasks are saved and not loaded, and have not been edited since. */
export function restorable(book: Book): TaskCell[] {
  return book.taskCells.filter(({ task }) => stateKey(task) === "saved");
}

/** These, and the plain cells before them that have not run yet; no cell that would compute a task. */
export function cellsToRestore(book: Book): Cell[] {
  const saved = new Set(restorable(book).map(({ cell }) => cell));
  const cells = book.codeCells;
  const last = [...saved].at(-1);
  return cells
    .slice(0, last ? cells.indexOf(last) + 1 : 0)
    .filter(cell => saved.has(cell) || (book.read(cell) === null && !book.ran.has(cell.model.id)));
}

/** Resolves to whether all of them ran well. */
export async function runCells(book: Book, cells: Cell[], dialogs: ISessionContextDialogs): Promise<boolean> {
  const { content, sessionContext } = book.panel;
  return cells.length === 0 || (await NotebookActions.runCells(content, cells, sessionContext, dialogs));
}
