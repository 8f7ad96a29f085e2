import type { Language } from '../../../mail/locale.ts';
import { de } from './de.ts';
import { en } from './en.ts';
import type { Words } from './type.ts';

export type { Words } from './type.ts';

const WORDS: Record<Language, Words> = { en, de };

export function wordsIn(language: Language): Words {
  return WORDS[language];
}
