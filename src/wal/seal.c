/*-------------------------------------------------------------------------
 *
 * seal.c
 *		The key that seals our WAL messages.
 *
 * Any role may call pg_logical_emit_message(), so the relay obeys only
 * messages that carry an HMAC made with a secret of this server.  The secret
 * is 32 random bytes in a file of the data directory, made once, with the
 * mode that the other secrets there have, and part of base backups, so that
 * a standby that is promoted can read what its primary wrote.
 *
 * Model: the postmaster loads the key at startup and puts it into shared
 * memory; a backend of a server that does not preload us reads the file.
 * Several processes may try to make the file at once: each writes a file of
 * its own and links it to the real name, which the first one wins.
 *
 * HMAC is RFC 2104; the hash is SHA-256 (FIPS 180-4), through the server's
 * pg_hmac.  Truncation to 16 bytes follows RFC 2104, section 5.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/resowner.h"

#include "wal/seal.h"

/* Written once, by the postmaster. */
typedef struct RtcSeal
{
	uint8		key[RTC_SEAL_KEY_LEN];
	char		key_id[RTC_KEY_ID_LEN]; /* names it without showing it */
} RtcSeal;

static RtcSeal *shared = NULL;

static bool read_key_file(uint8 *key);
static void make_key_file(void);
static void load_key(uint8 key[RTC_SEAL_KEY_LEN]);
static void make_key_id(const uint8 *key, char id[RTC_KEY_ID_LEN]);
static const uint8 *seal_key(void);
static bool equal_in_constant_time(const void *a, const void *b, size_t len);
static void hmac(const void *data, size_t len, uint8 *digest);
static bool try_compute(pg_hmac_ctx *ctx, const uint8 *key, size_t keylen,
						const void *data, size_t len, uint8 *digest);
static void compute(pg_hmac_ctx *ctx, const uint8 *key, size_t keylen,
					const void *data, size_t len, uint8 *digest);
static pg_hmac_ctx *create_context(void);

static void
init(void)
{
	load_key(shared->key);
	make_key_id(shared->key, shared->key_id);
}

const RtcSharedRoom rtc_seal_room = {
	.name = "rtcache_seal",
	.place = &shared,
	.size = sizeof(RtcSeal),
	.init = init
};

const char *
rtc_seal_key_id(void)
{
	return shared->key_id;
}

/*
 * Reads the key file, or makes it first.  Any process may, also while another
 * does.
 */
static void
load_key(uint8 key[RTC_SEAL_KEY_LEN])
{
	if (read_key_file(key))
		return;
	make_key_file();
	if (!read_key_file(key))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("could not read file \"%s\": it vanished",
						RTC_SEAL_FILE)));
}

/*
 * Names a key by the first half of an HMAC of a constant.
 */
static void
make_key_id(const uint8 *key, char id[RTC_KEY_ID_LEN])
{
	static const char label[] = "rtcache key id";
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	pg_hmac_ctx *ctx = create_context();

	compute(ctx, key, RTC_SEAL_KEY_LEN, label, sizeof(label) - 1, digest);
	pg_hmac_free(ctx);
	for (int i = 0; i < (RTC_KEY_ID_LEN - 1) / 2; i++)
		snprintf(id + 2 * i, 3, "%02x", digest[i]);
}

/*
 * Computes the seal of data, six bits to a character from '0' on.
 */
void
rtc_seal_compute(const void *data, size_t len, char seal[RTC_SEAL_TEXT_LEN])
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	uint32		bits = 0;
	int			nbits = 0;
	char	   *p = seal;

	hmac(data, len, digest);
	for (int i = 0; i < RTC_SEAL_LEN; i++)
	{
		bits = bits << 8 | digest[i];
		for (nbits += 8; nbits >= 6; nbits -= 6)
			*p++ = '0' + (char) (bits >> (nbits - 6) & 63);
	}
	*p++ = '0' + (char) (bits << (6 - nbits) & 63);
	Assert(p == seal + RTC_SEAL_TEXT_LEN);
}

bool
rtc_seal_verify(const void *data, size_t len, const char *seal)
{
	char		right[RTC_SEAL_TEXT_LEN];

	rtc_seal_compute(data, len, right);
	return equal_in_constant_time(right, seal, RTC_SEAL_TEXT_LEN);
}

bool
rtc_seal_verify_bytes(const void *data, size_t len, const uint8 *seal)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];

	hmac(data, len, digest);
	return equal_in_constant_time(digest, seal, RTC_SEAL_LEN);
}

/*
 * Nobody can guess a seal byte by byte.
 */
static bool
equal_in_constant_time(const void *a, const void *b, size_t len)
{
	const uint8 *x = a;
	const uint8 *y = b;
	uint8		diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}

/*
 * Finds the key: in shared memory, else in the file, once per process.
 */
static const uint8 *
seal_key(void)
{
	static uint8 key[RTC_SEAL_KEY_LEN];
	static bool loaded = false;

	if (rtc_preloaded)
		return shared->key;
	if (!loaded)
	{
		load_key(key);
		loaded = true;
	}
	return key;
}

/*
 * Computes the HMAC of data with this server's key.
 *
 * To set up a key takes longer than all the rest, so a context is kept.  With
 * OpenSSL it begins anew with its key if it is given none; in a server without
 * OpenSSL that is an empty key.  Which one it is, is tried once.
 */
static void
hmac(const void *data, size_t len, uint8 *digest)
{
	static pg_hmac_ctx *ctx = NULL;
	static bool tried = false;
	static bool keeps_key = false;

	if (ctx == NULL)
		ctx = create_context();
	if (keeps_key)
		compute(ctx, NULL, 0, data, len, digest);
	else
		compute(ctx, seal_key(), RTC_SEAL_KEY_LEN, data, len, digest);
	if (!tried)
	{
		uint8		again[PG_SHA256_DIGEST_LENGTH];

		tried = true;
		keeps_key = try_compute(ctx, NULL, 0, data, len, again) &&
			memcmp(digest, again, sizeof(again)) == 0;
	}
}

static bool
try_compute(pg_hmac_ctx *ctx, const uint8 *key, size_t keylen,
			const void *data, size_t len, uint8 *digest)
{
	return pg_hmac_init(ctx, key, keylen) >= 0 &&
		pg_hmac_update(ctx, data, len) >= 0 &&
		pg_hmac_final(ctx, digest, PG_SHA256_DIGEST_LENGTH) >= 0;
}

static void
compute(pg_hmac_ctx *ctx, const uint8 *key, size_t keylen,
		const void *data, size_t len, uint8 *digest)
{
	if (!try_compute(ctx, key, keylen, data, len, digest))
		elog(ERROR, "could not compute HMAC of WAL message: %s",
			 pg_hmac_error(ctx));
}

/*
 * Makes a context that outlives transactions.  The server wants an owner that
 * releases it, which the postmaster does not even have.
 */
static pg_hmac_ctx *
create_context(void)
{
	static ResourceOwner ours = NULL;
	ResourceOwner saved = CurrentResourceOwner;
	pg_hmac_ctx *ctx;

	if (ours == NULL)
		ours = ResourceOwnerCreate(NULL, "rtcache seal");
	CurrentResourceOwner = ours;
	PG_TRY();
	{
		ctx = pg_hmac_create(PG_SHA256);
		if (ctx == NULL)
			elog(ERROR, "could not create HMAC context");
	}
	PG_FINALLY();
	{
		CurrentResourceOwner = saved;
	}
	PG_END_TRY();
	return ctx;
}

/*
 * Reads the key; false when there is no file.  A file of another size is not
 * replaced: somebody has to look at it.
 */
static bool
read_key_file(uint8 *key)
{
	int			fd = OpenTransientFile(RTC_SEAL_FILE, O_RDONLY | PG_BINARY);
	uint8		buf[RTC_SEAL_KEY_LEN + 1];
	int			n;

	if (fd < 0)
	{
		if (errno == ENOENT)
			return false;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", RTC_SEAL_FILE)));
	}
	n = read(fd, buf, sizeof(buf));
	if (n < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", RTC_SEAL_FILE)));
	CloseTransientFile(fd);
	if (n != RTC_SEAL_KEY_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" is not a key", RTC_SEAL_FILE),
				 errdetail("It must hold %d bytes.", RTC_SEAL_KEY_LEN),
				 errhint("Remove the file: a new key is made, and the cache is cleared once.")));
	memcpy(key, buf, RTC_SEAL_KEY_LEN);
	return true;
}

/*
 * Makes the key file durably, unless somebody else has just done so.
 */
static void
make_key_file(void)
{
	uint8		key[RTC_SEAL_KEY_LEN];
	char		tmp[MAXPGPATH];
	int			fd;

	if (!pg_strong_random(key, sizeof(key)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random key for WAL messages")));

	snprintf(tmp, sizeof(tmp), "%s.%d.tmp", RTC_SEAL_FILE, (int) getpid());
	(void) unlink(tmp);
	fd = OpenTransientFilePerm(tmp, O_CREAT | O_EXCL | O_WRONLY | PG_BINARY,
							   S_IRUSR | S_IWUSR);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", tmp)));
	errno = 0;
	if (write(fd, key, sizeof(key)) != sizeof(key) || pg_fsync(fd) != 0)
	{
		int			save_errno = errno ? errno : ENOSPC;

		CloseTransientFile(fd);
		unlink(tmp);
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", tmp)));
	}
	CloseTransientFile(fd);

	if (link(tmp, RTC_SEAL_FILE) != 0 && errno != EEXIST)
	{
		int			save_errno = errno;

		unlink(tmp);
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not link file \"%s\" to \"%s\": %m",
						tmp, RTC_SEAL_FILE)));
	}
	unlink(tmp);
	fsync_fname(".", true);
}
