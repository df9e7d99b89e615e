/** A badge on every task cell of every notebook, kept up to date. */

import type { Menu } from "@lumino/widgets";

import { isDark, onTheme } from "../drawing/theme";
import { paintBadge } from "./badge";
import type { Book, Books } from "./book";
import { CELL_COMMANDS } from "./cell-commands";
import type { Settings } from "./settings";

/** Paints them whenever something changes, and each second while a task runs. */
export function showBadges(books: Books, settings: Settings, menu: Menu): void {
  const repaint = (): void => {
    for (const book of books.all) {
      book.schedule();
    }
  };
  books.changed.connect((_, book) => {
    if (book) {
      paint(book, settings.showBadges, menu);
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

function paint(book: Book, shown: boolean, menu: Menu): void {
  const setting = { dark: isDark(), now: book.tasks.now };
  for (const cell of book.panel.content.widgets) {
    const found = shown ? book.read(cell) : null;
    const header = cell.node.querySelector(":scope > .jp-CellHeader");
    if (header) {
      paintBadge(header, found, setting, badge => {
        openMenu(menu, badge, cell.model.id);
      });
    } else if (found) {
      void cell.ready.then(book.schedule);
    }
  }
}

function openMenu(menu: Menu, badge: HTMLElement, cell: string): void {
  menu.clearItems();
  for (const command of CELL_COMMANDS) {
    menu.addItem({ command, args: { cell } });
  }
  const { left, bottom } = badge.getBoundingClientRect();
  menu.open(left, bottom);
}
