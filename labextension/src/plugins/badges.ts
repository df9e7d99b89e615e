/** A badge on every task cell of every notebook, kept up to date. */

import { isDark, onTheme } from "../drawing/theme";
import { paintBadge } from "./badge";
import type { Book, Books } from "./book";
import type { Settings } from "./settings";

/** Paints them whenever something changes, and each second while a task runs. */
export function showBadges(books: Books, settings: Settings): void {
  const repaint = (): void => {
    for (const book of books.all) {
      book.schedule();
    }
  };
  books.changed.connect((_, book) => {
    if (book) {
      paint(book, settings.showBadges);
    }
  });
  settings.changed.connect(repaint);
  onTheme(repaint);
  setInterval(() => {
    for (const book of books.all.filter(({ tasks }) => tasks.running)) {
      book.schedule();
    }
  }, 1000);
}

function paint(book: Book, shown: boolean): void {
  const dark = isDark();
  for (const cell of book.panel.content.widgets) {
    const found = shown ? book.read(cell) : null;
    const header = cell.node.querySelector(":scope > .jp-CellHeader");
    if (header) {
      paintBadge(header, found?.name ?? null, found?.task, dark, book.tasks.now);
    } else if (found) {
      void cell.ready.then(book.schedule);
    }
  }
}
