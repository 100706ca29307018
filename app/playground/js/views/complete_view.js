/** Complete: a picture with a hole, and several ways to fill it. */

import { DrawFields } from "../parts/draw_fields.js";
import { DrawingView } from "./drawing_view.js";
import { clearTrouble, group } from "../parts/fields.js";
import { LabelFields } from "../parts/label_fields.js";
import { t } from "../lang.js";
import { MethodFields } from "../parts/method_fields.js";
import { ModelPicker } from "../parts/model_picker.js";
import { Pad, UNKNOWN } from "../parts/pad.js";
import { PicturePicker } from "../parts/picture_picker.js";
import { FieldTrouble } from "../service/problems.js";
import { holeOf, pixelsOf } from "../pixels/raster.js";
import { completionOf } from "../service/requests.js";

/** @import {Shared} from "../types" */

/** @param {HTMLElement} element @param {Shared} shared */
export function completeView(element, shared) {
  const models = new ModelPicker("complete", shared.models);
  const pictures = new PicturePicker(t("Picture"), (model) => model, t("Digit {name}", { name: "2" }));
  const pad = new Pad(UNKNOWN);
  const hole = group("mask", t("Hole"), pad.element);
  const labels = new LabelFields(false);
  const fields = new DrawFields(8, shared.info);
  const method = new MethodFields();
  fields.element.append(method.element);
  const parts = { models, labels, pictures, pad: hole, fields };
  const view = new DrawingView(element, shared, parts, t("Fill the hole"), async (model) => {
    await pictures.chosen();
    const { picture, unknown } = pad;
    if (!unknown.includes(1))
      throw new FieldTrouble("mask", t("Nothing is marked to be filled yet. Paint a hole first."));
    const fit = models.fitFor(unknown, model);
    return completionOf(fit, picture, unknown, { ...fields.read(), ...method.read(), ...labels.read() });
  });
  pictures.onChange = (picture) => pad.edit(picture, models.model);
  pad.onInk = () => {
    clearTrouble(hole);
    pad.expect(null);
  };
  view.onExpect = (mean, { channels, palette }) => pad.expect(mean, channels === 1 && !palette?.length);
  view.onRefill = async ({ mask }, settings) => {
    method.set(settings);
    const kept = mask && (await pixelsOf(mask));
    if (kept) pad.want(holeOf(kept), kept);
  };
  return view;
}
