/**
 * What was seen of the person who pressed the button. It keeps out the mail scanners known today,
 * which fetch links, submit forms, or press buttons from a script; not a robot that drives a real
 * browser. It is stored with the link, so that a doubtful confirmation can be looked at.
 */
import { z } from 'zod';

const milliseconds = z.number().int().min(0).max(1e9);

const seen = z.object({
  trusted: z.literal(true),
  visible: z.literal(true),
  visibleMs: milliseconds,
  pointer: z.enum(['mouse', 'pen', 'touch', 'keyboard', 'unknown']),
});

export type Click = z.infer<typeof seen>;

export type Evidence =
  | ({ how: 'click'; pageAgeMs: number } & Click)
  /** Picked the start out of several. */
  | { how: 'choice'; pageAgeMs: number }
  /** Said yes on a second page. */
  | { how: 'yes'; pageAgeMs: number }
  /** Wrote something only a person writes. */
  | { how: 'form'; pageAgeMs: number }
  /** The mail program's own unsubscribe button (RFC 8058). */
  | { how: 'one_click' };

/** What the page's script has filled in, if it saw a real click on a visible page. */
export function readClick(text: string | undefined, minDwellMs: number): Click | undefined {
  if (!text || text.length > 300) return undefined;
  try {
    const parsed = seen.safeParse(JSON.parse(text));
    return parsed.success && parsed.data.visibleMs >= minDwellMs ? parsed.data : undefined;
  } catch {
    return undefined; // not JSON: then it was not our script
  }
}
