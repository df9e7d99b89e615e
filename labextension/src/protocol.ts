/**
 * What the kernel and the pages say to each other. Imports nothing of JupyterLab.
 *
 * The kernel's twins: TaskView.to_json, RunView.to_json and Layout.to_json in the Python package.
 */

export const REQUEST = "milepost_request";
export const COMM_TARGET = "milepost.states";

/**
 * The event by which a widget asks the notebook around it to run cells: `detail.cells` are their ids, in order. Who
 * takes it prevents its default; else the kernel runs them, and the widget shows what they show.
 */
export const RUN_CELLS = "milepost:run-cells";

export interface Reason {
  kind: string;
  text: string;
  details: string[];
}

/** One task, as `%tasks status --json` prints it. */
export interface TaskView {
  name: string;
  state: string;
  restored: boolean;
  outputs: string[];
  after: string[];
  seconds: number | null;
  started: number | null;
  saved: boolean;
  /** Whether what is saved survives power loss. */
  durable?: boolean;
  bytes: number;
  saved_at: string | null;
  why: Reason | null;
  error: string | null;
  cell_id: string;
  /** Whether it runs, or waits to run, in the background. */
  background: boolean;
  /** Whether what it prints is in a log of its own. */
  log: boolean;
  /** The names that it reads. */
  inputs?: string[];
  /** What it last said of how far it has come. */
  progress?: string;
  /** The seconds that its last run took, where one is known. */
  expected?: number | null;
  /** When its last run in this kernel began and ended, in Unix seconds. */
  began?: number | null;
  ended?: number | null;
  /** The outputs that could not be saved. */
  unsaved?: string[];
}

/** The run as a whole; fields a kernel leaves out are off. */
export interface RunView {
  running?: boolean;
  pausing?: boolean;
  paused?: boolean;
  cancelling?: boolean;
  totals?: string;
  message?: string;
}

export interface NodeBox {
  name: string;
  label: string;
  x: number;
  y: number;
  w: number;
  h: number;
  /** Of a box that stands for several tasks: their names. */
  members?: string[];
}

export interface EdgePath {
  source: string;
  target: string;
  path: string;
}

export interface Layout {
  width: number;
  height: number;
  nodes: NodeBox[];
  edges: EdgePath[];
}

export type Action =
  | "ping"
  | "pause"
  | "resume"
  | "cancel"
  | "state"
  | "log"
  | "sheet"
  | "run"
  | "forget"
  | "trust"
  | "done"
  | "rerun"
  | "move";

/** All that is known of one task; the kernel's twin is sheet.py. */
export interface Sheet {
  task: TaskView;
  code: string;
  inputs: { name: string; kind: string; source: string; text: string }[];
  outputs: { name: string; type: string; text: string; unsaved: string }[];
  /** What its cell showed, as text. */
  shown: string;
  traceback: string;
  history: Version[];
  peak_bytes: number;
  can: string[];
}

/** One saved result. */
export interface Version {
  saved_at: string;
  seconds: number;
  bytes: number;
  why: string;
  trusted: boolean;
  durable: boolean;
}

/** What a page asks for; `from` is the number of the first character of a log that it does not have. */
export interface RequestContent {
  action: Action;
  task?: string;
  from?: number;
  /** Of "run": with what the task needs; though what is saved is valid. */
  needs?: boolean;
  force?: boolean;
  /** Of "move": the notebook's path before and after, from the server's root. */
  was?: string;
  now?: string;
}

export interface Reply {
  status: string;
  message?: string;
  running?: boolean;
  paused?: boolean;
  /** In answer to "state": everything, and the comm that brings what follows. */
  tasks?: TaskView[];
  run?: RunView;
  graph?: Layout;
  sources?: Record<string, string>;
  now?: number;
  comm_id?: string;
  seq?: number;
  /** In answer to "log": text from its character `start` on, of the run with this number. */
  log?: { run: number; start: number; text: string };
  sheet?: Sheet;
  /** In answer to "run": the line to have executed, and the ids of the cells that this runs, where they are all known. */
  execute?: string;
  cells?: string[];
}

/** What the kernel sends over a comm: everything (`tasks`), or what is new since the message before (`changed`, `gone`). */
export interface StateMessage {
  tasks?: TaskView[];
  changed?: TaskView[];
  gone?: string[];
  run?: RunView;
  graph?: Layout;
  /** By task: the text of its cell as it ran last, else as it was saved. */
  sources?: Record<string, string>;
  /** Counts the messages of one comm. */
  seq?: number;
  /** The kernel's clock (Unix seconds) when it looked. */
  now?: number;
}

interface Future {
  done: Promise<{ content: unknown } | undefined>;
  dispose(): void;
}

/** The part of JupyterLab's kernel connection that is needed to send a request. */
export interface ControlKernel {
  readonly clientId: string;
  sendControlMessage(message: never, expectReply: boolean): Future;
}

/** Asks over the control channel, which a busy kernel answers too. Rejects after `patience` milliseconds, if given. */
export async function request(
  kernel: ControlKernel,
  content: RequestContent,
  patience?: number
): Promise<Reply> {
  const message = {
    channel: "control",
    header: {
      msg_id: uniqueId(),
      msg_type: REQUEST,
      session: kernel.clientId,
      username: "",
      version: "5.4",
      date: new Date().toISOString()
    },
    parent_header: {},
    metadata: {},
    buffers: [],
    content
  };
  const future = kernel.sendControlMessage(message as never, true);
  const reply = await (patience === undefined ? future.done : within(patience, future));
  return (reply?.content ?? { status: "error", message: "no answer" }) as Reply;
}

function within(patience: number, future: Future): Future["done"] {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      future.dispose();
      reject(new Error("the kernel does not answer"));
    }, patience);
    future.done.then(resolve, reject).finally(() => {
      clearTimeout(timer);
    });
  });
}

/** `crypto.randomUUID` exists only on https and localhost; this works everywhere. */
export function uniqueId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");
}
