/** Cells that a widget asks for run as if a person ran them: what they show is below them. */

import type { ISessionContextDialogs } from "@jupyterlab/apputils";

import { RUN_CELLS } from "../protocol";
import type { Book, Books } from "./book";
import { runCells } from "./run";

/** Takes what a notebook's own widgets ask for; where one of the cells is not there any more, the kernel runs them all. */
export function runAsked(books: Books, dialogs: ISessionContextDialogs): void {
  document.addEventListener(RUN_CELLS, event => {
    const book = books.all.find(({ panel }) => event.target instanceof Node && panel.node.contains(event.target));
    if (book && event instanceof CustomEvent && run(book, (event.detail as { cells: unknown }).cells, dialogs)) {
      event.preventDefault();
    }
  });
}

function run(book: Book, ids: unknown, dialogs: ISessionContextDialogs): boolean {
  const cells = Array.isArray(ids) ? ids.map(id => book.codeCells.find(({ model }) => model.id === id)) : [];
  const found = cells.filter(cell => cell !== undefined);
  if (found.length === 0 || found.length < cells.length) {
    return false;
  }
  void runCells(book, found, dialogs);
  return true;
}
