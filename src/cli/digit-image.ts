// Small grey images side by side in a terminal, each with its captions below.

const gap = '   ';

/** `images`: 8 × 8 pixels row by row, 0 to 16. Two characters per pixel, so that it looks square. */
export function drawImages(
  images: readonly (readonly number[])[],
  captions: readonly (readonly string[])[],
  unicode: boolean,
): string[] {
  const shades = unicode ? ' ░▒▓█' : ' .+#@';
  const shade = (value: number) => shades[Math.round((Math.min(Math.max(value, 0), 16) / 16) * 4)] ?? ' ';
  const side = 8;
  const lines = Array.from({ length: side }, (_, row) =>
    images.map((image) =>
      image
        .slice(row * side, (row + 1) * side)
        .map((value) => shade(value).repeat(2))
        .join(''),
    ),
  );
  const words = Array.from({ length: Math.max(0, ...captions.map((caption) => caption.length)) }, (_, row) =>
    captions.map((caption) => (caption[row] ?? '').padEnd(2 * side)),
  );
  return [...lines, ...words].map((cells) => `  ${cells.join(gap)}`.trimEnd());
}
