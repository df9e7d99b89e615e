/** A connection to a busy kernel beside the notebook's own, which JupyterLab holds back until the kernel answers. */

import type { Kernel } from "@jupyterlab/services";
import type { IDisposable } from "@lumino/disposable";

import type { ControlKernel } from "../protocol";

/** Open until it is retired and all that was asked over it is answered, or given up. */
export class Line implements ControlKernel, IDisposable {
  private readonly connection: Kernel.IKernelConnection;
  private asked = 0;
  private retired = false;

  constructor(kernel: Kernel.IKernelConnection) {
    this.connection = kernel.clone({ handleComms: false });
  }

  get clientId(): string {
    return this.connection.clientId;
  }

  get isDisposed(): boolean {
    return this.connection.isDisposed;
  }

  sendControlMessage(message: never, expectReply: boolean): ReturnType<ControlKernel["sendControlMessage"]> {
    const future = this.connection.sendControlMessage(message, expectReply);
    this.asked += 1;
    void future.done
      .catch(() => undefined)
      .finally(() => {
        this.asked -= 1;
        this.rest();
      });
    return future;
  }

  /** Nothing more is asked over it. */
  retire(): void {
    this.retired = true;
    this.rest();
  }

  dispose(): void {
    this.connection.dispose();
  }

  /** Resolves once it is open; rejects where it is closed before. */
  async opened(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.connection.disposed.connect(() => {
        reject(new Error("the connection was closed"));
      });
      this.connection.connectionStatusChanged.connect((_, status) => {
        if (status === "connected") {
          resolve();
        }
      });
      if (this.connection.connectionStatus === "connected") {
        resolve();
      }
    });
  }

  private rest(): void {
    if (this.retired && this.asked === 0) {
      this.dispose();
    }
  }
}
