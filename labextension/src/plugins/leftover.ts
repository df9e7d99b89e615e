/** Widgets of a kernel that is no more: their pictures are shown in place of "model not found". */

import type { ICodeCellModel } from "@jupyterlab/cells";
import type { NotebookPanel } from "@jupyterlab/notebook";

const VIEW = "application/vnd.jupyter.widget-view+json";
type Outputs = ICodeCellModel["outputs"];

/** Once, when a notebook is opened. What is saved stays as it is until the next save. */
export async function showPictures(panel: NotebookPanel): Promise<void> {
  const { context } = panel;
  await Promise.all([context.ready, context.sessionContext.ready]);
  const kernel = context.sessionContext.session?.kernel;
  const shown = [...context.model.cells]
    .filter(cell => cell.type === "code")
    .map(cell => (cell as ICodeCellModel).outputs)
    .filter(outputs => views(outputs).length > 0);
  if (!kernel || shown.length === 0) {
    return;
  }
  const { content } = await kernel.requestCommInfo({ target_name: "jupyter.widget" });
  if (content.status !== "ok" || panel.isDisposed) {
    return;
  }
  const { dirty } = context.model;
  for (const outputs of shown) {
    for (const [index] of views(outputs).filter(([, id]) => !(id in content.comms))) {
      const output = outputs.get(index).toJSON();
      const pictures = Object.entries(output.data as object).filter(([mime]) => mime !== VIEW);
      outputs.set(index, { ...output, data: Object.fromEntries(pictures) });
    }
  }
  context.model.dirty = dirty;
}

/** Our widgets among a cell's outputs: where, and the id of the model. */
function views(outputs: Outputs): [number, string][] {
  const found: [number, string][] = [];
  for (let index = 0; index < outputs.length; index += 1) {
    const { data, metadata } = outputs.get(index);
    const view = data[VIEW] as { model_id?: string } | undefined;
    if (view && metadata["milepost"]) {
      found.push([index, view.model_id ?? ""]);
    }
  }
  return found;
}
