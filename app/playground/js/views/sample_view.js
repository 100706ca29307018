/** Sample: new images from nothing. */

import { DrawFields } from "../parts/draw_fields.js";
import { DrawingView } from "./drawing_view.js";
import { LabelFields } from "../parts/label_fields.js";
import { t } from "../lang.js";
import { ModelPicker } from "../parts/model_picker.js";

/** @import {Shared} from "../types" */

/** @param {HTMLElement} element @param {Shared} shared */
export function sampleView(element, shared) {
  const models = new ModelPicker("sample", shared.models);
  const labels = new LabelFields(true);
  const fields = new DrawFields(16, shared.info);
  return new DrawingView(element, shared, { models, labels, fields }, t("Draw"), async (model) => {
    return { path: "/sample", body: { model: model.name, ...fields.read(), ...labels.read() }, given: {} };
  });
}
