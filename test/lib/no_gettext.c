/*
 * no_gettext.c
 *		Messages are not translated; for servers under a sanitizer.
 *
 * With the address sanitizer in front of a server that was not built for it,
 * the lock of glibc's gettext is unlocked more often than it is locked, and the
 * next one to bind a domain waits for ever.  Tests want no translation anyhow.
 *
 * Copyright (c) 2026, rtcache contributors
 */
#define UNUSED __attribute__((unused))

char	   *bindtextdomain(const char *domain, const char *directory);
char	   *bind_textdomain_codeset(const char *domain, const char *codeset);
char	   *textdomain(const char *domain);
char	   *gettext(const char *text);
char	   *dgettext(const char *domain, const char *text);
char	   *dcgettext(const char *domain, const char *text, int category);
char	   *ngettext(const char *text, const char *plural, unsigned long n);
char	   *dngettext(const char *domain, const char *text, const char *plural, unsigned long n);
char	   *dcngettext(const char *domain, const char *text, const char *plural, unsigned long n, int category);

char *
bindtextdomain(UNUSED const char *domain, const char *directory)
{
	return (char *) directory;
}

char *
bind_textdomain_codeset(UNUSED const char *domain, const char *codeset)
{
	return (char *) codeset;
}

char *
textdomain(const char *domain)
{
	return (char *) domain;
}

char *
gettext(const char *text)
{
	return (char *) text;
}

char *
dgettext(UNUSED const char *domain, const char *text)
{
	return (char *) text;
}

char *
dcgettext(UNUSED const char *domain, const char *text, UNUSED int category)
{
	return (char *) text;
}

char *
ngettext(const char *text, const char *plural, unsigned long n)
{
	return (char *) (n == 1 ? text : plural);
}

char *
dngettext(UNUSED const char *domain, const char *text, const char *plural, unsigned long n)
{
	return ngettext(text, plural, n);
}

char *
dcngettext(UNUSED const char *domain, const char *text, const char *plural, unsigned long n, UNUSED int category)
{
	return ngettext(text, plural, n);
}
