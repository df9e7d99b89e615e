/** Carries clicks to the kernel: over the control channel where there is one, else over the widget's own messages. */

import { type ControlKernel, type Reply, request, type RequestContent, RUN_CELLS, uniqueId } from "../protocol";

/** A kernel that has not answered by then is said to be busy, by its control channel or, where there is none, at all (ms). */
const BUSY_AFTER = 4000;
const SLOW = 700;
const BUSY = "From this page, the kernel is reached only once the running cell has ended.";
const HELD = "The kernel does not answer yet: something holds Python up. It is done as soon as that lets go.";
/** One that has not answered by then is taken to be gone (ms): a computation that holds Python up may take its time. */
const PATIENCE = 120_000;
const ENDINGS = ["restarting", "autorestarting", "terminating", "dead"];

/** What the kernel may tell a page to have executed: a number, never a name, which might hold code. */
const ORDER = /^%tasks run --order \d+$/;
const ALONE = "this page cannot run cells: run them, or %tasks run NAME";

interface Execution {
  onIOPub: (message: { header: { msg_type: string }; content: unknown }) => void;
  done: Promise<unknown>;
}

/** The kernel's answer to "run", and the end of what this page has executed for it. */
export interface Started {
  reply: Reply;
  ended: Promise<unknown>;
}

export interface LiveKernel extends ControlKernel {
  requestExecute?(content: object): Execution;
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

/** False where the notebook took it, which it says by preventing the default. */
function offer(page: HTMLElement, cells: string[]): boolean {
  return page.dispatchEvent(new CustomEvent(RUN_CELLS, { bubbles: true, cancelable: true, detail: { cells } }));
}

interface Spoken {
  text?: string;
  data?: Record<string, unknown>;
  traceback?: string[];
}

/** What a message of an execution says, as far as it is text. */
function spoken(type: string, { text, data, traceback }: Spoken): string {
  if (type === "stream") {
    return text ?? "";
  }
  if (type === "error") {
    return `${(traceback ?? []).join("\n")}\n`;
  }
  const shown = type === "execute_result" || type === "display_data" ? data?.["text/plain"] : undefined;
  return typeof shown === "string" ? `${shown}\n` : "";
}

export class Control {
  private readonly waiting = new Map<string, (reply: Reply) => void>();

  constructor(
    private readonly model: AnyModel,
    private readonly onGone: () => void,
    private readonly onSlow: (words: string) => void
  ) {
    this.kernel?.statusChanged?.connect(this.onStatus);
    model.on("msg:custom", this.onMessage);
  }

  private get kernel(): LiveKernel | null {
    const kernel = this.model.widget_manager?.kernel;
    return typeof kernel?.sendControlMessage === "function" ? kernel : null;
  }

  /** The kernel's answer; rejects when there is none. */
  async ask(content: RequestContent): Promise<Reply> {
    const { kernel } = this;
    if (!kernel) {
      return await this.askModel(content);
    }
    const slow = setTimeout(this.onSlow, BUSY_AFTER, HELD);
    try {
      return await request(kernel, content, PATIENCE);
    } finally {
      clearTimeout(slow);
    }
  }

  /** Has tasks run as cells do: by the notebook itself, where it knows how, else by the kernel; `hear` gets what it shows. */
  async run(content: RequestContent, page: HTMLElement, hear: (text: string) => void): Promise<Started> {
    const reply = await this.ask(content);
    const { execute, cells } = reply;
    const ended = Promise.resolve();
    if (reply.status !== "ok" || execute === undefined || !ORDER.test(execute)) {
      return { reply, ended };
    }
    if (!content.force && cells && cells.length > 0 && !offer(page, cells)) {
      return { reply, ended };
    }
    const { kernel } = this;
    if (!kernel?.requestExecute) {
      return { reply: { status: "error", message: ALONE }, ended };
    }
    const future = kernel.requestExecute({ code: execute, store_history: false, stop_on_error: false });
    future.onIOPub = ({ header, content: said }) => {
      hear(spoken(header.msg_type, said as Spoken));
    };
    return { reply, ended: future.done };
  }

  dispose(): void {
    this.kernel?.statusChanged?.disconnect(this.onStatus);
    this.model.off("msg:custom", this.onMessage);
  }

  private askModel(content: RequestContent): Promise<Reply> {
    const id = uniqueId();
    const slow = setTimeout(this.onSlow, SLOW, BUSY);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, reply => {
        clearTimeout(slow);
        resolve(reply);
      });
      try {
        this.model.send({ ...content, id });
      } catch (error) {
        clearTimeout(slow);
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
