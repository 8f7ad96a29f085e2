/**
 * Photos of what was delivered. They are sent as they are, not as a form; whoever may see the booking
 * fetches them by the same header as the API asks for. What is not theirs looks like what does not exist.
 */
import { createHash } from 'node:crypto';
import express, { type Request, type Response, Router } from 'express';
import type { Pool } from 'pg';
import type { Config } from '../config.ts';
import { log } from '../log.ts';
import { drawAnew, NoPicture } from '../photos/picture.ts';
import { photoStorage } from '../photos/storage.ts';
import { asCaller, idFor, refusal, type Sender, sendError } from './asCaller.ts';

const STATUS = {
  ...{ RSAUT: 401, RSVER: 403, RSNTF: 404, RSSTA: 409, RSTIM: 409, RSLIM: 409, RSEXP: 409 },
  ...{ RSARG: 415, RSBSY: 503 },
} as const;

const BYTES_OF_MB = 1_000_000;

interface Photo {
  id: string;
  width: number;
  height: number;
  bytes: number;
  sha256: string;
  createdAt: Date;
}

const COLUMNS = 'id, width, height, bytes, sha256, created_at as "createdAt"';

export interface PhotoRoutes {
  /** Below `/bookings`. */
  ofBookings: Router;
  /** Below `/photos`. */
  photos: Router;
}

export function servePhotos(pool: Pool, config: Config, sender: Sender): PhotoRoutes {
  const storage = photoStorage(config);
  const body = readerOf(config.photosMaxMegabytes);

  const add = async (request: Request, response: Response) => {
    const bookingId = idFor(sender, request, 'bookingId');
    // Before the body is read: not everybody may make the server hold one.
    const id = await asCaller(pool, sender, request, async (client) => {
      const sql = 'select app_private.begin_photo($1) as id';
      return (await client.query<{ id: string }>(sql, [bookingId])).rows[0]?.id ?? '';
    });
    const picture = await drawAnew(await body(request, response));
    if (!picture) throw refusal('RSBSY');
    const { bytes, width, height } = picture;
    await storage.put(id, bytes);
    const photo = await asCaller(pool, sender, request, async (client) => {
      const sql = `select ${COLUMNS} from app_private.keep_photo($1, $2, $3, $4, $5)`;
      const values = [id, width, height, bytes.length, sha256Of(bytes)];
      return (await client.query<Photo>(sql, values)).rows[0];
    });
    if (!photo) throw refusal('RSNTF');
    // Not a new one, if it was sent before.
    response
      .status(photo.id === id ? 201 : 200)
      .location(`/photos/${photo.id}`)
      .json(photo);
  };

  const show = async (request: Request, response: Response) => {
    const id = idFor(sender, request, 'photoId');
    const photo = await asCaller(pool, sender, request, async (client) => {
      const sql = `select ${COLUMNS} from app_public.booking_photos where id = $1`;
      return (await client.query<Photo>(sql, [id])).rows[0];
    });
    if (!photo) throw refusal('RSNTF');
    // For whoever may see it only, and asked for again each time, for that may end.
    response.setHeader('Cache-Control', 'private, no-cache');
    response.setHeader('ETag', `"${photo.sha256}"`);
    if (request.fresh) {
      response.status(304).end();
      return;
    }
    const bytes = await storage.get(id);
    if (bytes && sha256Of(bytes) === photo.sha256) {
      response.setHeader('Content-Disposition', `inline; filename="photo-${id}.jpg"`);
      response.setHeader('Accept-Ranges', 'none');
      response.type('image/jpeg').send(bytes);
      return;
    }
    log.error('the file of a photo is missing, or is another', { photo: id });
    response.removeHeader('ETag');
    throw refusal('RSNTF');
  };

  const ofBookings = Router();
  ofBookings.post('/:bookingId/photos', answering(add));
  const photos = Router();
  photos.get('/:photoId', answering(show));
  return { ofBookings, photos };
}

type Handler = (request: Request, response: Response) => Promise<void>;

function answering(handle: Handler): Handler {
  return async (request, response) => {
    try {
      await handle(request, response);
    } catch (error) {
      if (error instanceof TooLarge) {
        sendError(response, error, { RSARG: 413 });
        return;
      }
      const shown = error instanceof NoPicture ? refusal('RSARG', error.message) : error;
      sendError(response, shown, STATUS);
    }
  };
}

class TooLarge extends Error {
  readonly code = 'RSARG';
}

/** The body as it is, whatever it is called; and not compressed, which pictures are already. */
function readerOf(megabytes: number) {
  const read = express.raw({ type: () => true, limit: megabytes * BYTES_OF_MB, inflate: false });
  return async (request: Request, response: Response): Promise<Buffer> => {
    await new Promise<void>((resolve, reject) => {
      read(request, response, (error?: unknown) => (error ? reject(error) : resolve()));
    }).catch((error) => {
      if ((error as { status?: unknown }).status !== 413) throw error;
      throw new TooLarge(`The photo is too large: at most ${megabytes} MB are taken.`);
    });
    // Express has no body to read where none was sent.
    return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  };
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
