/*-------------------------------------------------------------------------
 *
 * hot_file.c
 *		The file of the questions that are asked most: rtcache.questions.
 *
 * A worker writes it every few minutes, if there were hits, and the postmaster when
 * the server is shut down.  It is written anew beside the old one, flushed and
 * renamed.  Behind a header come the questions with the number of their hits, the
 * most asked first.
 *
 * The header names what the bytes of kept questions depend on: the version of this
 * format and that of the server; and the database system, since users and databases
 * are OIDs in them.  It has a checksum of all that is behind it.  A file that does not
 * fit in any of this is ignored.
 *
 * What has not been read at a start is not overwritten: a standby, which reads it when
 * it is promoted, keeps that of its primary.
 *
 * Model: the relay reads, workers and the postmaster write.  A worker holds a lock
 * meanwhile; if another one has it there is nothing to do.  The postmaster takes no
 * lock, when all others have ended.  There nothing may be raised, so memory is asked
 * for without errors.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xlog.h"
#include "catalog/catversion.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#include "base/inject.h"
#include "guc.h"
#include "read/hot.h"
#include "refresh/hot_file.h"

#define NEW_FILE		RTC_HOT_FILE ".tmp"
#define MAGIC			"rtcache questions"

/* Another number whenever what is in the file changes, kept questions included. */
#define FORMAT			1

typedef struct Header
{
	char		magic[24];
	uint32		format;
	uint32		server;			/* CATALOG_VERSION_NO */
	uint64		system;			/* GetSystemIdentifier() */
	uint32		n;				/* records that follow */
	pg_crc32c	crc;			/* of these */
} Header;

/* What comes before the bytes of each question. */
typedef struct Record
{
	uint64		hash;			/* of the question */
	Oid			dboid;
	uint32		hits;
	uint32		len;
	uint32		unused;
} Record;

/* Which question comes when. */
typedef struct Rank
{
	uint32		hits;
	int			place;			/* in the table of hot.c */
} Rank;

typedef struct RtcHotFile
{
	pg_atomic_uint32 read;		/* it was read, or needs not be */
} RtcHotFile;

static RtcHotFile *shared = NULL;
static LWLockPadded *locks;

/* Whoever writes has it. */
#define write_lock (&locks->lock)

/* In the postmaster, when all others have ended. */
static void
at_shutdown(int code, Datum arg)
{
	if (code == 0)
		rtc_hot_file_write();
}

static void
init(void)
{
	pg_atomic_init_u32(&shared->read, 0);
	if (!IsUnderPostmaster)
		on_shmem_exit(at_shutdown, (Datum) 0);
}

const RtcSharedRoom rtc_hot_file_room = {
	.name = "rtcache_hot_file",
	.place = &shared,
	.size = sizeof(RtcHotFile),
	.locks = &locks,
	.nlocks = 1,
	.init = init
};

/* ---------------- writing ---------------- */

static int
compare_rank(const void *a, const void *b)
{
	const Rank *x = a;
	const Rank *y = b;

	if (x->hits != y->hits)
		return x->hits > y->hits ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static bool
put(FILE * file, pg_crc32c *crc, const void *bytes, size_t len)
{
	COMP_CRC32C(*crc, bytes, len);
	return fwrite(bytes, 1, len, file) == len;
}

/* Writes records, and then the header in front of them. */
static bool
write_all(FILE * file, const Rank *rank, int n)
{
	static RtcWork work;
	Header		header;
	bool		good;

	memset(&header, 0, sizeof(header));
	strlcpy(header.magic, MAGIC, sizeof(header.magic));
	header.format = FORMAT;
	header.server = CATALOG_VERSION_NO;
	header.system = GetSystemIdentifier();
	INIT_CRC32C(header.crc);
	good = fwrite(&header, sizeof(header), 1, file) == 1;
	for (int i = 0; good && i < n; i++)
	{
		Record		record = {0};

		if (!rtc_hot_get(rank[i].place, &work, &record.hits))
			continue;
		record.hash = work.hash;
		record.dboid = work.dboid;
		record.len = work.len;
		good = put(file, &header.crc, &record, sizeof(record)) &&
			put(file, &header.crc, work.data, work.len);
		header.n++;
	}
	FIN_CRC32C(header.crc);
	return good && fseek(file, 0, SEEK_SET) == 0 &&
		fwrite(&header, sizeof(header), 1, file) == 1;
}

static void
write_file(void)
{
	Rank	   *rank;
	RtcWork    *work;
	FILE	   *file;
	int			n = 0;
	bool		good;

	rank = palloc_extended(rtc_hot_max() * sizeof(Rank), MCXT_ALLOC_NO_OOM);
	work = palloc_extended(sizeof(RtcWork), MCXT_ALLOC_NO_OOM);
	for (int i = 0; rank != NULL && work != NULL && i < rtc_hot_max(); i++)
		if (rtc_hot_get(i, work, &rank[n].hits))
			rank[n++].place = i;
	if (n > 0)
	{
		qsort(rank, n, sizeof(Rank), compare_rank);
		file = AllocateFile(NEW_FILE, PG_BINARY_W);
		good = file != NULL && write_all(file, rank, n);
		RTC_INJECT("questions_written");
		if (file != NULL)
		{
			int			save_errno = errno;

			if (FreeFile(file) != 0)
				good = false;
			else
				errno = save_errno;
		}
		if (!good)
		{
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not write file \"%s\": %m", NEW_FILE)));
			(void) unlink(NEW_FILE);
		}
		else
			(void) durable_rename(NEW_FILE, RTC_HOT_FILE, LOG);
	}
	if (rank != NULL)
		pfree(rank);
	if (work != NULL)
		pfree(work);
}

void
rtc_hot_file_write(void)
{
	if (!rtc_l1_save || rtc_hot_max() == 0 ||
		pg_atomic_read_u32(&shared->read) == 0)
		return;
	if (!IsUnderPostmaster)
		write_file();
	else if (LWLockConditionalAcquire(write_lock, LW_EXCLUSIVE))
	{
		write_file();
		LWLockRelease(write_lock);
	}
}

/* ---------------- reading ---------------- */

/* What is wrong with a header; NULL = nothing. */
static const char *
wrong_header(const Header *header)
{
	if (strncmp(header->magic, MAGIC, sizeof(header->magic)) != 0)
		return "it is no file of questions";
	if (header->format != FORMAT || header->server != CATALOG_VERSION_NO)
		return "it was written by another version";
	if (header->system != GetSystemIdentifier())
		return "it is of another database system";
	return NULL;
}

/*
 * Reads all records once, for their checksum, or to enter them.  False = there are
 * fewer, or more, or they are damaged.
 */
static bool
read_records(FILE * file, const Header *header, void (*found) (Oid dboid))
{
	static RtcWork work;
	pg_crc32c	crc;

	if (fseek(file, sizeof(*header), SEEK_SET) != 0)
		return false;
	INIT_CRC32C(crc);
	for (uint32 i = 0; i < header->n; i++)
	{
		Record		record;

		if (fread(&record, sizeof(record), 1, file) != 1 ||
			!OidIsValid(record.dboid) || record.len > RTC_WORK_MAX_BYTES ||
			fread(work.data, 1, record.len, file) != record.len)
			return false;
		COMP_CRC32C(crc, &record, sizeof(record));
		COMP_CRC32C(crc, work.data, record.len);
		if (found == NULL)
			continue;
		work.kind = RTC_WORK_ASK;
		work.dboid = record.dboid;
		work.hash = record.hash;
		work.len = record.len;
		rtc_hot_enter(&work, record.hits);
		found(record.dboid);
	}
	FIN_CRC32C(crc);
	return EQ_CRC32C(crc, header->crc) && fgetc(file) == EOF;
}

/* Reads the file; returns what is wrong with it, NULL = nothing. */
static const char *
read_file(FILE * file, void (*found) (Oid dboid))
{
	Header		header;
	const char *wrong;

	if (fread(&header, sizeof(header), 1, file) != 1)
		return "it is too short";
	wrong = wrong_header(&header);
	if (wrong == NULL && !read_records(file, &header, NULL))
		wrong = "it is damaged";
	if (wrong == NULL)
		(void) read_records(file, &header, found);
	return wrong;
}

static void
open_and_read(void (*found) (Oid dboid))
{
	const char *wrong;
	FILE	   *file;

	file = AllocateFile(RTC_HOT_FILE, PG_BINARY_R);
	if (file == NULL)
	{
		if (errno != ENOENT)
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not open file \"%s\": %m", RTC_HOT_FILE)));
		return;
	}
	wrong = read_file(file, found);
	FreeFile(file);
	if (wrong != NULL)
		ereport(LOG,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("ignoring file \"%s\": %s", RTC_HOT_FILE, wrong)));
}

void
rtc_hot_file_read(void (*found) (Oid dboid))
{
	if (pg_atomic_read_u32(&shared->read) != 0)
		return;
	if (rtc_l1_save && rtc_hot_max() > 0)
		open_and_read(found);
	/* only now: a worker that saves meanwhile would take it away */
	pg_atomic_write_u32(&shared->read, 1);
}
