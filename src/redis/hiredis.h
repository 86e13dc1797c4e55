/*-------------------------------------------------------------------------
 *
 * hiredis.h
 *		The one door through which hiredis and OpenSSL come in.
 *
 * Their headers are not held to our warnings.  Whoever includes this header
 * also gets the part of compat.h that depends on the version of hiredis.
 *
 * RTC_HAVE_TLS is defined by the Makefile when hiredis was built with TLS.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_HIREDIS_H
#define RTC_HIREDIS_H

#include "postgres.h"

#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif

#include <hiredis/hiredis.h>

#ifdef RTC_HAVE_TLS
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#endif

#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include "compat.h"

#endif							/* RTC_HIREDIS_H */
