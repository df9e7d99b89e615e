/** One notebook's line to its kernel: hears the states of its tasks, tells the notebook's path. */

import type { DocumentRegistry } from "@jupyterlab/docregistry";
import type { INotebookModel } from "@jupyterlab/notebook";
import type { Kernel } from "@jupyterlab/services";
import type { IDisposable } from "@lumino/disposable";

import { taskName } from "../model";
import { COMM_TARGET, type ControlKernel, request, type StateMessage } from "../protocol";
import { Line } from "./line";

/**
 * JupyterLab holds back what is sent before a connection is open until the kernel answers, or for 3 s: so long, a
 * busy kernel is asked over a connection of its own (ms).
 */
const HELD_BACK = 4000;
const ENDINGS = ["restarting", "autorestarting", "terminating", "dead"];

export interface Listener {
  hear(message: StateMessage): void;
  /** The notebook has another path (from the server's root), and the kernel uses its store. */
  move(was: string, now: string): void;
  /** The kernel is gone, or another one. */
  lose(cause: Cause): void;
}

export type Cause = "restarted" | "died";

export class Link implements IDisposable {
  isDisposed = false;
  private comm: Kernel.IComm | null = null;
  private early: Line | null = null;
  private readonly lines = new Set<Line>();
  private path: string;
  /** The number of the last message; null where it is not known. */
  private seq: number | null = null;

  constructor(
    private readonly context: DocumentRegistry.IContext<INotebookModel>,
    private readonly listener: Listener
  ) {
    const { sessionContext } = context;
    sessionContext.kernelChanged.connect(this.onKernel);
    sessionContext.statusChanged.connect(this.onStatus);
    this.path = context.localPath;
    context.pathChanged.connect(this.onPath);
    void sessionContext.ready.then(() => this.attach(sessionContext.session?.kernel));
  }

  /** Whether the kernel has told of its tasks, and goes on telling. */
  get open(): boolean {
    return this.comm !== null && !this.comm.isDisposed;
  }

  /** The connection over which to ask. */
  get kernel(): ControlKernel | null {
    return this.early ?? this.own;
  }

  /** The notebook's own connection, which stays. */
  get own(): Kernel.IKernelConnection | null {
    return this.context.sessionContext.session?.kernel ?? null;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.isDisposed = true;
      this.hangUp();
      this.context.sessionContext.kernelChanged.disconnect(this.onKernel);
      this.context.sessionContext.statusChanged.disconnect(this.onStatus);
      this.context.pathChanged.disconnect(this.onPath);
    }
  }

  private readonly onKernel = (_: unknown, { newValue }: { newValue: Kernel.IKernelConnection | null }): void => {
    this.lose("restarted");
    void this.attach(newValue);
  };

  private readonly onStatus = (_: unknown, status: Kernel.Status): void => {
    if (ENDINGS.includes(status)) {
      this.lose(status === "autorestarting" || status === "dead" ? "died" : "restarted");
    }
  };

  private readonly onPath = (): void => {
    const was = this.path;
    this.path = this.context.localPath;
    if (this.open && was !== this.path) {
      this.listener.move(was, this.path);
    }
  };

  private lose(cause: Cause): void {
    this.comm = null;
    this.hangUp();
    this.listener.lose(cause);
  }

  /** Listens for the kernel's comm; where one may be open already (a reloaded page), takes it up again. */
  private async attach(kernel: Kernel.IKernelConnection | null | undefined): Promise<void> {
    if (!kernel || this.isDisposed) {
      return;
    }
    kernel.registerCommTarget(COMM_TARGET, (comm, open) => {
      this.adopt(comm);
      this.hear(open.content.data);
    });
    await this.context.ready;
    if (!this.comm && this.hasTasks()) {
      await this.reattach(kernel).catch(() => undefined);
    }
  }

  /** Asks over the control channel, which answers while a cell runs; a kernel without Milepost never answers. */
  private async reattach(kernel: Kernel.IKernelConnection): Promise<void> {
    const state = { action: "state" } as const;
    const line = this.openEarly(kernel);
    const reply = await line
      .opened()
      .then(() => request(line, state))
      .catch(() => (this.open ? null : request(kernel, state)));
    if (!reply || reply.status !== "ok" || kernel.isDisposed || kernel !== this.context.sessionContext.session?.kernel) {
      return;
    }
    this.hear(reply);
    const id = reply.comm_id ?? (await openComm(kernel));
    if (id !== undefined && !this.comm && !kernel.hasComm(id)) {
      this.adopt(kernel.createComm(COMM_TARGET, id));
    }
  }

  private openEarly(kernel: Kernel.IKernelConnection): Line {
    const line = new Line(kernel);
    this.hangUp();
    this.early = line;
    this.lines.add(line);
    setTimeout(() => {
      this.early = this.early === line ? null : this.early;
      line.retire();
    }, HELD_BACK);
    return line;
  }

  private hangUp(): void {
    this.lines.forEach(line => {
      line.dispose();
    });
    this.lines.clear();
    this.early = null;
  }

  private adopt(comm: Kernel.IComm): void {
    this.comm = comm;
    comm.onMsg = message => {
      this.hear(message.content.data);
    };
    comm.onClose = () => {
      if (this.comm === comm) {
        this.comm = null;
      }
    };
    this.tellPath();
  }

  private hear(message: StateMessage): void {
    const { seq, tasks } = message;
    const before = this.seq;
    if (this.isDisposed || (!tasks && seq !== undefined && before !== null && seq <= before)) {
      return; // of before what is known already
    }
    this.seq = seq ?? null;
    this.listener.hear(message);
    if (!tasks && seq !== undefined && before !== null && seq > before + 1) {
      void this.catchUp();
    }
  }

  /** A message was lost: the kernel says everything again. */
  private async catchUp(): Promise<void> {
    const { kernel } = this;
    const reply = kernel && (await request(kernel, { action: "state" }).catch(() => null));
    if (reply?.status === "ok") {
      this.hear(reply);
    }
  }

  private tellPath(): void {
    if (this.comm && !this.comm.isDisposed) {
      this.comm.send({ path: this.context.localPath });
    }
  }

  /** Kernels of notebooks that do not use Milepost are left in peace. */
  private hasTasks(): boolean {
    return [...this.context.model.cells].some(({ sharedModel }) => {
      const source = sharedModel.getSource();
      return taskName(source) !== null || source.includes("milepost");
    });
  }
}

async function openComm(kernel: Kernel.IKernelConnection): Promise<string | undefined> {
  const { content } = await kernel.requestCommInfo({ target_name: COMM_TARGET });
  return content.status === "ok" ? Object.keys(content.comms)[0] : undefined;
}
