// Which of the offered media types a client likes best (RFC 9110 §12.5.1).

interface Wish {
  readonly type: string;
  readonly quality: number;
}

/** The best offer; the first of equals; null when none is acceptable. No header accepts everything. */
export function negotiate<Offer extends string>(
  accept: string | undefined,
  offers: readonly Offer[],
): Offer | null {
  if (accept === undefined || accept.trim() === '') return offers[0] ?? null;
  const wishes = accept.split(',').slice(0, 50).map(parseWish);
  let best: Offer | null = null;
  let bestQuality = 0;
  for (const offer of offers) {
    const quality = qualityOf(offer, wishes);
    if (quality > bestQuality) {
      best = offer;
      bestQuality = quality;
    }
  }
  return best;
}

function parseWish(part: string): Wish {
  const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
  const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  const quality = q === undefined ? 1 : Number(q);
  return { type, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}

/** The most specific wish that covers the offer counts. */
function qualityOf(offer: string, wishes: readonly Wish[]): number {
  const [group = ''] = offer.split('/', 1);
  for (const pattern of [offer, `${group}/*`, '*/*']) {
    const wish = wishes.find(({ type }) => type === pattern);
    if (wish) return wish.quality;
  }
  return 0;
}
