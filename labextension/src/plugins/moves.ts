/** A notebook that is renamed or moved takes its store along: by its kernel, where one uses the store, else by the server. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { type Contents, type Kernel, type ServiceManager, ServerConnection } from "@jupyterlab/services";

import { request } from "../protocol";
import { type Books, IBooks } from "./book";
import { storeOf } from "./store";
import { told, warn } from "./told";

/** How long a kernel may take to say that it has Milepost; one that has not never answers (ms). */
const PATIENCE = 2000;

export const moves: JupyterFrontEndPlugin<void> = {
  id: "milepost:moves",
  description: "Has a notebook's store follow it when it is renamed or moved.",
  autoStart: true,
  optional: [IBooks],
  activate: (app: JupyterFrontEnd, books: Books | null) => {
    const services = app.serviceManager;
    services.contents.fileChanged.connect((_, { type, oldValue, newValue }) => {
      const was = oldValue?.path ?? "";
      const now = newValue?.path ?? "";
      if (type === "rename" && was.endsWith(".ipynb") && now.endsWith(".ipynb")) {
        void told(follow(services, books, was, now));
      }
    });
  }
};

async function follow(services: ServiceManager.IManager, books: Books | null, was: string, now: string): Promise<void> {
  const book = books?.all.find(({ panel }) => [was, now].includes(panel.context.path));
  if (book?.live) {
    return; // it tells its kernel itself
  }
  const own = book?.panel.sessionContext.session?.kernel ?? null;
  const kernel = own ?? (await connected(services, was, now));
  const content = { action: "move", was: services.contents.localPath(was), now: services.contents.localPath(now) } as const;
  const reply = kernel && (await request(kernel, content, PATIENCE).catch(() => null));
  if (kernel !== own) {
    kernel?.dispose();
  }
  if (!reply) {
    await carry(services.contents, storeOf(was), storeOf(now));
  } else if (reply.status !== "ok") {
    throw new Error(reply.message ?? "the kernel refused to move the store");
  }
}

/** The kernel of a notebook that is not open here. */
async function connected(services: ServiceManager.IManager, ...paths: string[]): Promise<Kernel.IKernelConnection | null> {
  await services.sessions.refreshRunning();
  const found = [...services.sessions.running()].find(({ path }) => paths.includes(path));
  return found?.kernel ? services.kernels.connectTo({ model: found.kernel }) : null;
}

async function carry(contents: Contents.IManager, from: string, to: string): Promise<void> {
  if (!(await exists(contents, from))) {
    return;
  }
  if (await exists(contents, to)) {
    warn(`${from} stays where it is, since there is a ${to} already, which is this notebook's now`);
    return;
  }
  await contents.rename(from, to);
}

async function exists(contents: Contents.IManager, path: string): Promise<boolean> {
  try {
    await contents.get(path, { content: false });
    return true;
  } catch (error) {
    if (error instanceof ServerConnection.ResponseError && error.response.status === 404) {
      return false;
    }
    throw error;
  }
}
