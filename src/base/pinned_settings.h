/*-------------------------------------------------------------------------
 *
 * pinned_settings.h
 *		Settings that answers must not depend on.  See pinned_settings.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_PINNED_SETTINGS_H
#define RTC_PINNED_SETTINGS_H

#include "postgres.h"

/*
 * Pins what decides how values are written: TimeZone, DateStyle,
 * IntervalStyle, extra_float_digits, bytea_output, lc_monetary.  Equal rows
 * then give equal bytes in every session.  Returns the GUC nest level for
 * rtc_unpin_settings, or -1 when the session has these values anyway and
 * there is nothing to undo.  An ERROR in between is cleaned up by the
 * (sub)transaction abort.
 */
extern int	rtc_pin_settings(void);

/*
 * The same, and also what decides how text is read: literals and arguments
 * of a query then mean the same in every session.  lc_monetary, which takes
 * longer to pin than all the rest, is left alone if there is no money.
 */
extern int	rtc_pin_query_settings(bool money);

extern void rtc_unpin_settings(int nestlevel);

#endif							/* RTC_PINNED_SETTINGS_H */
