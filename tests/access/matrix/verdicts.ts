/** What is not as declared, in words; nothing, if all is well. */
export type Findings = string[];

export const alike = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** What is not theirs answers like what does not exist: same code, same message, same shape. */
export function difference(where: string, found: unknown, nothing: unknown): Findings {
  if (alike(found, nothing)) return [];
  return [`${where}: ${JSON.stringify(found)}, but absent: ${JSON.stringify(nothing)}`];
}
