/** Upsample: large images that a Multi-Scale model draws from a small one. */

import { DrawFields } from "./draw_fields.js";
import { DrawingView } from "./drawing_view.js";
import { t } from "./lang.js";
import { ModelPicker } from "./model_picker.js";
import { PicturePicker } from "./picture_picker.js";
import { dataUrlOf, pngOf, smallSize } from "./raster.js";

/** @import {Shared} from "./drawing_view.js" */

const NOBODY = t("No running worker has a Multi-Scale model, which is what makes large images of small ones.");

/** @param {HTMLElement} element @param {Shared} shared */
export function upsampleView(element, shared) {
  const models = new ModelPicker("upsample", NOBODY, shared.models);
  const pictures = new PicturePicker(t("Small picture"), smallSize);
  const fields = new DrawFields(4, shared.info);
  return new DrawingView(element, shared, { models, pictures, fields }, t("Enlarge"), async (model) => {
    const picture = await pictures.chosen();
    const body = new FormData();
    body.set("model", model.name);
    body.set("image", await pngOf(picture), "image.png");
    for (const [name, value] of Object.entries(fields.read())) body.set(name, String(value));
    return { path: "/upsample", body, given: { image: dataUrlOf(picture) } };
  });
}
