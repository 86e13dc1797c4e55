/*-------------------------------------------------------------------------
 *
 * money.h
 *		May values of type money be involved in a query?  See money.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_MONEY_H
#define RTC_MONEY_H

#include "postgres.h"

#include "nodes/primnodes.h"

/*
 * Does a node bring money in?  A function of the user's may, nobody knows what
 * it does.
 */
extern bool rtc_brings_money(Node *node);

#endif							/* RTC_MONEY_H */
