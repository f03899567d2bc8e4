/** Labels on paper: PDF pages of the size of a label, or one PNG for a label printer. */

import { once } from "node:events";
import { HorizontalAlign, Jimp, loadFont } from "jimp";
import { SANS_16_BLACK, SANS_32_BLACK } from "jimp/fonts";
import PDFDocument from "pdfkit";
import QRCode from "qrcode";
import { labelLines, labelText, type NamedLabel } from "./label.js";

/** 62 × 29 mm, a usual size of label printers, in points. */
const WIDTH = (62 / 25.4) * 72;
const HEIGHT = (29 / 25.4) * 72;
const MARGIN = 5;

/** One page for each label. */
export async function labelPdf(labels: readonly NamedLabel[]): Promise<Uint8Array> {
  const document = new PDFDocument({ size: [WIDTH, HEIGHT], margin: MARGIN, autoFirstPage: false });
  document.info.Title = labels.map(({ name }) => name ?? "label").join(", ");
  const pieces: Buffer[] = [];
  document.on("data", (piece: Buffer) => pieces.push(piece));
  const ended = once(document, "end");
  for (const label of labels) {
    document.addPage();
    const side = HEIGHT - 2 * MARGIN;
    drawCode(document, labelText(label), MARGIN, MARGIN, side);
    const { title, rows } = labelLines(label);
    const left = side + 2 * MARGIN;
    const room = { width: WIDTH - left - MARGIN, lineBreak: false, ellipsis: true };
    document
      .font("Helvetica-Bold")
      .fontSize(9)
      .text(printable(title), left, MARGIN + 1, room);
    let y = MARGIN + 15;
    for (const [field, value] of rows) {
      document.font("Helvetica").fontSize(4.5).fillColor("#555").text(field, left, y);
      const lines = value.length > 20 ? [value.slice(0, 20), value.slice(20)] : [value];
      for (const line of lines) {
        document
          .font("Courier")
          .fontSize(5.8)
          .fillColor("black")
          .text(line, left + 15, y - 0.8, room);
        y += 7;
      }
      y += 1.5;
    }
  }
  document.end();
  await ended;
  return new Uint8Array(Buffer.concat(pieces));
}

/** As squares, not as a picture: sharp on every printer. */
function drawCode(document: PDFKit.PDFDocument, text: string, x: number, y: number, side: number): void {
  const { modules } = QRCode.create(text, { errorCorrectionLevel: "M" });
  const step = side / modules.size;
  for (let row = 0; row < modules.size; row++) {
    for (let column = 0; column < modules.size; column++) {
      if (modules.get(row, column) === 0) continue;
      // A hair larger than its place, or viewers draw seams.
      document.rect(x + column * step, y + row * step, step + 0.02, step + 0.02);
    }
  }
  document.fillColor("black").fill();
}

/** The fonts that every PDF reader has know Latin letters only. */
function printable(text: string): string {
  return text.replace(/[^\u0020-\u007e\u00a0-\u00ff]/g, "?");
}

/** 62 × 29 mm at 300 dots per inch. */
const DOTS = { width: 732, height: 342, margin: 21 };

export async function labelPng(label: NamedLabel): Promise<Uint8Array> {
  const { width, height, margin } = DOTS;
  const side = height - 2 * margin;
  const image = new Jimp({ width, height, color: 0xffffffff });
  const code = await QRCode.toBuffer(labelText(label), {
    type: "png",
    width: side,
    margin: 0,
    errorCorrectionLevel: "M",
  });
  image.composite(await Jimp.read(code), margin, margin);
  const [large, small] = await Promise.all([loadFont(SANS_32_BLACK), loadFont(SANS_16_BLACK)]);
  const { title, rows } = labelLines(label);
  const left = side + 2 * margin;
  const room = width - left - margin;
  image.print({ font: large, x: left, y: margin - 4, text: printable(title), maxWidth: room, maxHeight: 40 });
  let y = margin + 52;
  for (const [field, value] of rows) {
    image.print({ font: small, x: left, y, text: field });
    const lines = value.length > 20 ? [value.slice(0, 20), value.slice(20)] : [value];
    for (const line of lines) {
      const text = { text: line, alignmentX: HorizontalAlign.LEFT };
      image.print({ font: small, x: left + 64, y, text, maxWidth: room - 64 });
      y += 24;
    }
    y += 10;
  }
  return new Uint8Array(await image.getBuffer("image/png"));
}
