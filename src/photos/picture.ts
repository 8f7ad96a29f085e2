/**
 * What is stored is never what was sent, but a picture drawn anew from its pixels: nothing of the
 * file comes through, neither where it was taken nor what else may be hidden in it. What it is says
 * its content, not its name or header.
 */
import type Sharp from 'sharp';

export interface Picture {
  bytes: Buffer;
  width: number;
  height: number;
}

export class NoPicture extends Error {}

/** A compressed picture of a few kilobytes can have as many pixels as one likes. */
const MOST_PIXELS = 50_000_000;
const LONGEST_SIDE = 2_560;
const QUALITY = 82;
const TIMEOUT_S = 10;

/** Each takes memory for all of its pixels. */
const MOST_AT_ONCE = 2;
const MOST_WAITING = 20;

let loaded: Promise<typeof Sharp> | undefined;

/** Loaded when it is first needed: most processes never are sent a photo. */
function load(): Promise<typeof Sharp> {
  loaded ??= import('sharp').then(({ default: sharp }) => {
    // What can read anything else (SVG, PDF, TIFF) is not let near what strangers send.
    sharp.block({ operation: ['VipsForeignLoad'] });
    sharp.unblock({
      operation: ['Jpeg', 'Png', 'Webp'].map((kind) => `VipsForeignLoad${kind}Buffer`),
    });
    // Nothing of one person's picture is kept for the next.
    sharp.cache(false);
    return sharp;
  });
  return loaded;
}

/** Of several pictures in one file the first. */
async function draw(sent: Buffer): Promise<Picture> {
  const sharp = await load();
  try {
    const { data, info } = await sharp(sent, {
      limitInputPixels: MOST_PIXELS,
      // Warnings are for the harmless oddities of cameras.
      failOn: 'error',
    })
      .timeout({ seconds: TIMEOUT_S })
      // As it was held, which is written in what does not come through.
      .autoOrient()
      .resize({
        width: LONGEST_SIDE,
        height: LONGEST_SIDE,
        fit: 'inside',
        withoutEnlargement: true,
      })
      .flatten({ background: '#fff' })
      .toColourspace('srgb')
      .jpeg({ quality: QUALITY })
      .toBuffer({ resolveWithObject: true });
    return { bytes: data, width: info.width, height: info.height };
  } catch (error) {
    throw new NoPicture(
      `This cannot be used as a photo: it has to be a JPEG, PNG or WebP picture of at most ${MOST_PIXELS / 1_000_000} million pixels.`,
      { cause: error },
    );
  }
}

/** Null if too many are waiting already. */
export const drawAnew = inTurn(draw, MOST_AT_ONCE, MOST_WAITING);

export function inTurn<A, R>(
  action: (argument: A) => Promise<R>,
  atOnce: number,
  mayWait: number,
): (argument: A) => Promise<R | null> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (argument) => {
    if (running < atOnce) running++;
    else if (waiting.length < mayWait) {
      // Whoever ends hands their turn on.
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else return null;
    try {
      return await action(argument);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
