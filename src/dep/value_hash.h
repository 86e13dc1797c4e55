/*-------------------------------------------------------------------------
 *
 * value_hash.h
 *		By which function values are hashed.  See value_hash.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_VALUE_HASH_H
#define RTC_VALUE_HASH_H

#include "postgres.h"

/* The hash operator family that a type's values are compared by, if any. */
extern Oid	rtc_hash_family(Oid typid);

/*
 * The extended hash function by which both sides name rows after values of a
 * column of this type; InvalidOid = they do not.
 */
extern Oid	rtc_hash_function(Oid typid);

#endif							/* RTC_VALUE_HASH_H */
