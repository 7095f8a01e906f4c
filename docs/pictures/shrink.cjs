// Makes screenshots small: shrink.cjs FILE… Writes each PNG anew with a palette of at most 256 colours, which is
// enough for a screen of text. Reads what Chromium writes: 8 bits for each of red, green, blue (and alpha, which is full).
"use strict";
const { readFileSync, writeFileSync } = require("node:fs");
const { deflateSync, inflateSync } = require("node:zlib");

// The checksum of a PNG's chunks; older versions of Node.js do not have it.
const crc32 = (bytes) => {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
};

const chunk = (type, data) => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
};

// The pixels of a PNG, one after the other, as numbers 0xRRGGBB.
const read = (png) => {
  const data = [];
  let header;
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    if (type === "IHDR") header = body;
    if (type === "IDAT") data.push(body);
    at += length + 12;
  }
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const channels = { 2: 3, 6: 4 }[header[9]];
  if (header[8] !== 8 || header[12] !== 0 || !channels) throw new Error("not a PNG as Chromium writes it");
  const stride = width * channels;
  const raw = inflateSync(Buffer.concat(data));
  const pixels = new Uint32Array(width * height);
  let above = Buffer.alloc(stride);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)];
    const line = Buffer.from(raw.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1)));
    for (let x = 0; x < stride; x++) {
      const [left, up, corner] = [line[x - channels] ?? 0, above[x], above[x - channels] ?? 0];
      const estimate = left + up - corner;
      const [a, b, c] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - corner)];
      const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
      line[x] += [0, left, up, (left + up) >> 1, paeth][filter];
    }
    for (let x = 0; x < width; x++) pixels[y * width + x] = line.readUIntBE(x * channels, 3);
    above = line;
  }
  return { width, height, pixels };
};

// The most frequent colours, and for each colour the nearest of them.
const reduce = (pixels) => {
  const counts = new Map();
  for (const colour of pixels) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const palette = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 256).map(([colour]) => colour);
  const distance = (a, b) => [16, 8, 0].reduce((sum, bits) => sum + (((a >> bits) & 255) - ((b >> bits) & 255)) ** 2, 0);
  const nearest = new Map(palette.map((colour, place) => [colour, place]));
  for (const colour of counts.keys()) {
    if (nearest.has(colour)) continue;
    let best = 0;
    palette.forEach((each, place) => { if (distance(each, colour) < distance(palette[best], colour)) best = place; });
    nearest.set(colour, best);
  }
  return { palette, nearest };
};

for (const file of process.argv.slice(2)) {
  const png = readFileSync(file);
  const { width, height, pixels } = read(png);
  const { palette, nearest } = reduce(pixels);
  const lines = Buffer.alloc((width + 1) * height);
  pixels.forEach((colour, place) => { lines[Math.floor(place / width) * (width + 1) + 1 + (place % width)] = nearest.get(colour); });
  const header = Buffer.from(png.subarray(16, 29));
  header.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  const end = [chunk("IHDR", header), chunk("PLTE", colours), chunk("IDAT", deflateSync(lines, { level: 9 })), chunk("IEND", Buffer.alloc(0))];
  writeFileSync(file, Buffer.concat([png.subarray(0, 8), ...end]));
}
