/** News for the person, where they are seen: by default Jupyter only counts them in the status bar. */

import { Notification } from "@jupyterlab/apputils";

/** What fails is said, not only written to the console. */
export async function told(done: Promise<unknown>): Promise<void> {
  try {
    await done;
  } catch (error) {
    warn(error instanceof Error ? error.message : String(error));
  }
}

/** Stays until it is closed. */
export function warn(text: string): void {
  Notification.warning(`Milepost: ${text}`, { autoClose: false });
}

export function say(text: string): void {
  Notification.info(`Milepost: ${text}`, { autoClose: 5000 });
}
