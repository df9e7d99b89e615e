/** What fails is said to the person, not only to the console. */

import { Notification } from "@jupyterlab/apputils";

export async function told(done: Promise<unknown>): Promise<void> {
  try {
    await done;
  } catch (error) {
    Notification.error(`Milepost: ${error instanceof Error ? error.message : String(error)}`);
  }
}
