/** The languages there are templates for; the first one serves everybody else. */
export const LANGUAGES = ['en', 'de'] as const;

export type Language = (typeof LANGUAGES)[number];

export type Wording = {
  /** Which templates to use. */
  language: Language;
  /** How dates and numbers are written; always of the same language as the templates. */
  locale: string;
};

/** `de-AT` is written in German with Austrian dates; `fr-FR` falls back to English altogether. */
export function wordingFor(locale: string | null | undefined): Wording {
  const tag = canonical(locale);
  const language = LANGUAGES.find((known) => tag === known || tag?.startsWith(`${known}-`));
  return language && tag ? { language, locale: tag } : { language: 'en', locale: 'en' };
}

function canonical(locale: string | null | undefined): string | undefined {
  if (!locale) return undefined;
  try {
    return Intl.getCanonicalLocales(locale.replaceAll('_', '-'))[0];
  } catch {
    return undefined; // a tag nobody can read must not keep a mail from going out
  }
}
