/*-------------------------------------------------------------------------
 *
 * hot_file.h
 *		The file of the questions that are asked most.  See hot_file.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_HOT_FILE_H
#define RTC_HOT_FILE_H

#include "postgres.h"

#include "base/shared.h"

extern const RtcSharedRoom rtc_hot_file_room;

/* In the data directory. */
#define RTC_HOT_FILE	"rtcache.questions"

/*
 * Reads the file, if rtcache.l1_save is on, and enters its questions, to be asked
 * again.  Calls "found" with each of their databases, the most asked first.  What is
 * wrong with the file is told by LOG, and then it is ignored.
 */
extern void rtc_hot_file_read(void (*found) (Oid dboid));

/* Writes it, unless there is nothing to write.  Trouble is told by LOG. */
extern void rtc_hot_file_write(void);

#endif							/* RTC_HOT_FILE_H */
