/** Carries clicks to the kernel: over the control channel where there is one, else over the widget's own messages. */

import { type ControlKernel, type Reply, request, type RequestContent, uniqueId } from "../protocol";

const PATIENCE = 4000;
const ENDINGS = ["restarting", "autorestarting", "terminating", "dead"];

interface LiveKernel extends ControlKernel {
  statusChanged?: {
    connect(slot: (sender: unknown, status: string) => void): void;
    disconnect(slot: (sender: unknown, status: string) => void): void;
  };
}

/** What anywidget hands to `render`. */
export interface AnyModel {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  on(event: string, callback: (...args: never[]) => void): void;
  off(event: string, callback: (...args: never[]) => void): void;
  send(content: unknown): void;
  widget_manager?: { kernel?: LiveKernel | null };
}

export class Control {
  private readonly kernel: LiveKernel | null;
  private readonly waiting = new Map<string, (reply: Reply) => void>();

  constructor(
    private readonly model: AnyModel,
    private readonly onGone: () => void
  ) {
    const kernel = model.widget_manager?.kernel;
    this.kernel = typeof kernel?.sendControlMessage === "function" ? kernel : null;
    this.kernel?.statusChanged?.connect(this.onStatus);
    model.on("msg:custom", this.onMessage);
  }

  /** The kernel's answer; rejects when there is none. */
  async ask(content: RequestContent): Promise<Reply> {
    return this.kernel ? await request(this.kernel, content, PATIENCE) : await this.askModel(content);
  }

  dispose(): void {
    this.kernel?.statusChanged?.disconnect(this.onStatus);
    this.model.off("msg:custom", this.onMessage);
  }

  private askModel(content: RequestContent): Promise<Reply> {
    const id = uniqueId();
    return new Promise((resolve, reject) => {
      this.waiting.set(id, resolve);
      try {
        this.model.send({ ...content, id });
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  private readonly onMessage = (content: { id?: string; reply?: Reply } | undefined): void => {
    if (content?.id !== undefined && content.reply) {
      this.waiting.get(content.id)?.(content.reply);
      this.waiting.delete(content.id);
    }
  };

  private readonly onStatus = (_sender: unknown, status: string): void => {
    if (ENDINGS.includes(status)) {
      this.onGone();
    }
  };
}
