/** Where the store of a notebook is, and what its summary says, by way of the contents API. */

import { PathExt } from "@jupyterlab/coreutils";
import type { Contents } from "@jupyterlab/services";

import type { StateMessage } from "../protocol";
import { readSummary } from "../summary";

/** `<stem>.milepost` beside the notebook. */
export function storeOf(notebook: string): string {
  return `${notebook.slice(0, -PathExt.extname(notebook).length)}.milepost`;
}

/** What is saved; null where there is no store, or none that this server shows. */
export async function savedTasks(contents: Contents.IManager, notebook: string): Promise<StateMessage | null> {
  try {
    const path = `${storeOf(notebook)}/summary.json`;
    const { content } = (await contents.get(path, { type: "file", format: "text", content: true })) as { content: unknown };
    return typeof content === "string" ? readSummary(content) : null;
  } catch {
    return null;
  }
}
