/** Upsample: large images that a Multi-Scale model draws from a small one. */

import { DrawFields } from "../parts/draw_fields.js";
import { DrawingView } from "./drawing_view.js";
import { group } from "../parts/fields.js";
import { LabelFields } from "../parts/label_fields.js";
import { t } from "../lang.js";
import { ModelPicker } from "../parts/model_picker.js";
import { Pad } from "../parts/pad.js";
import { PicturePicker } from "../parts/picture_picker.js";
import { asSeenBy, dataUrlOf, pngOf, smallSize } from "../pixels/raster.js";

/** @import {Shared} from "../types" */

/** At 1 what is drawn between given pixels is restless. */
const CALM = 0.7;
/** The ink that one begins with. */
const RED = 5;

/** @param {HTMLElement} element @param {Shared} shared */
export function upsampleView(element, shared) {
  const models = new ModelPicker("upsample", shared.models);
  const labels = new LabelFields(false);
  const pictures = new PicturePicker(t("Begin with one of these"), smallSize);
  const doodle = new Pad(RED, true);
  const pad = group("doodle", t("Small picture"), doodle.element);
  const fields = new DrawFields(4, shared.info, CALM);
  pictures.onChange = (picture) => doodle.sketch(picture);
  return new DrawingView(element, shared, { models, labels, pictures, pad, fields }, t("Enlarge"), async (model) => {
    await pictures.chosen();
    const picture = asSeenBy(doodle.picture, model);
    const body = new FormData();
    body.set("model", model.name);
    body.set("image", await pngOf(picture), "image.png");
    for (const [name, value] of Object.entries({ ...fields.read(), ...labels.read() })) body.set(name, String(value));
    return { path: "/upsample", body, given: { image: dataUrlOf(picture) } };
  });
}
