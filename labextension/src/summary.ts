/** What a store's summary file says of the tasks. Anybody may have written it: nothing of it is taken on trust. */

import type { EdgePath, Layout, NodeBox, Reason, StateMessage, TaskView } from "./protocol";

type Row = Record<string, unknown>;

/** The states of what has not ended: in the middle of a loop, or nobody knows where. */
const OPEN = ["in-doubt", "paused", "pending"];

/** The states that the file tells; null where it is none. */
export function readSummary(text: string): StateMessage | null {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRow(found) || !Array.isArray(found["tasks"])) {
    return null;
  }
  const tasks = rows(found["tasks"]).map(asTask).filter(task => task !== null);
  const sources = isRow(found["sources"]) ? Object.entries(found["sources"]).filter(isText) : [];
  const graph = asLayout(found["graph"]);
  const run = { paused: isString(found["paused_since"]) && found["paused_since"] !== "" };
  return { tasks, run, sources: Object.fromEntries(sources), ...(graph ? { graph } : {}) };
}

/** A task as it is once no kernel has its values: what is saved of it, or null where nothing is. */
export function asSaved(task: TaskView): TaskView | null {
  if (!task.saved || !["success", "stale", "untrusted"].includes(task.state)) {
    return null;
  }
  const state = task.state === "untrusted" ? "untrusted" : "success";
  const when = task.saved_at ? ` ${new Date(task.saved_at).toLocaleString()}` : "";
  const why = state === "success" ? { kind: "saved", text: `saved${when}; not loaded yet`, details: [] } : task.why;
  const over = { restored: false, started: null, began: null, ended: null, progress: "", background: false, error: null };
  return { ...task, state, why, ...over };
}

function asTask(row: Row): TaskView | null {
  const name = row["name"];
  if (typeof name !== "string") {
    return null;
  }
  const state = OPEN.find(one => one === row["state"]);
  const task: TaskView = {
    name,
    state: state ?? (row["state"] === "success" ? "success" : "untrusted"),
    restored: false,
    outputs: texts(row["outputs"]),
    after: texts(row["after"]),
    seconds: number(row["seconds"]),
    started: null,
    saved: state === undefined,
    bytes: number(row["bytes"]) ?? 0,
    saved_at: typeof row["saved_at"] === "string" ? row["saved_at"] : null,
    why: state === undefined ? null : asReason(row["why"]),
    error: null,
    progress: typeof row["progress"] === "string" ? row["progress"] : "",
    cell_id: typeof row["cell_id"] === "string" ? row["cell_id"] : "",
    background: false,
    log: false,
    inputs: texts(row["inputs"]),
    unsaved: texts(row["unsaved"])
  };
  return state === undefined ? asSaved(task) : task;
}

function asReason(found: unknown): Reason | null {
  return isRow(found) && isString(found["text"]) ? { kind: "", text: found["text"], details: texts(found["details"]) } : null;
}

function asLayout(found: unknown): Layout | null {
  const [width, height] = isRow(found) ? [number(found["width"]), number(found["height"])] : [null, null];
  if (!isRow(found) || width === null || height === null) {
    return null;
  }
  const nodes = rows(found["nodes"]).filter(node => isBox(node)) as unknown as NodeBox[];
  const edges = rows(found["edges"]).filter(edge => isEdge(edge)) as unknown as EdgePath[];
  return { width, height, nodes, edges };
}

function isBox(row: Row): boolean {
  return isString(row["name"]) && isString(row["label"]) && ["x", "y", "w", "h"].every(key => number(row[key]) !== null);
}

function isEdge(row: Row): boolean {
  return ["source", "target", "path"].every(key => isString(row[key]));
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}

function isText(entry: [string, unknown]): entry is [string, string] {
  return isString(entry[1]);
}

function rows(value: unknown): Row[] {
  return Array.isArray(value) ? value.filter(isRow) : [];
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter(isString) : [];
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
