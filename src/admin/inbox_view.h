/*-------------------------------------------------------------------------
 *
 * inbox_view.h
 *		What people can see of inboxes.  See inbox_view.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INBOX_VIEW_H
#define RTC_INBOX_VIEW_H

#include "postgres.h"

/*
 * Is the inbox of the current database well?  prefix: that of its keys, NULL = not
 * known.  *detail: a sentence, in the current memory context.
 */
extern bool rtc_inbox_is_well(const char *prefix, char **detail);

#endif							/* RTC_INBOX_VIEW_H */
