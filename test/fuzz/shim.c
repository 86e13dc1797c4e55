/*-------------------------------------------------------------------------
 *
 * shim.c
 *		As much of a PostgreSQL server as the fuzz targets need.
 *
 * Memory comes from malloc, so that the sanitizer sees each piece, and is
 * freed when an input is done.  An ERROR jumps to whoever catches it, in the
 * end to us.  What is not here is not called: the linker leaves it at zero.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <setjmp.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "fuzz.h"

/* What is allocated for the current input. */
typedef struct Chunk
{
	struct Chunk *next;
	struct Chunk *prev;
	Size		size;
} Chunk;

#define CHUNK_HEADER	MAXALIGN(sizeof(Chunk))

static Chunk chunks = {&chunks, &chunks, 0};

MemoryContext CurrentMemoryContext = (MemoryContext) &chunks;
MemoryContext TopMemoryContext = (MemoryContext) &chunks;
sigjmp_buf *PG_exception_stack = NULL;
ErrorContextCallback *error_context_stack = NULL;
Oid			MyDatabaseId = 1;
char	   *DataDir = "/nowhere";
volatile sig_atomic_t InterruptPending = false;

static int	error_level;
static int	error_code;

/* ---------------- memory ---------------- */

void *
palloc_extended(Size size, int flags)
{
	Chunk	   *chunk;

	if (!AllocSizeIsValid(size) && (flags & MCXT_ALLOC_HUGE) == 0)
	{
		/* the server raises here */
		MUST(PG_exception_stack != NULL);
		siglongjmp(*PG_exception_stack, 1);
	}
	chunk = malloc(CHUNK_HEADER + size);
	if (chunk == NULL)
	{
		MUST((flags & MCXT_ALLOC_NO_OOM) != 0);
		return NULL;
	}
	chunk->size = size;
	chunk->next = &chunks;
	chunk->prev = chunks.prev;
	chunks.prev->next = chunk;
	chunks.prev = chunk;
	if (flags & MCXT_ALLOC_ZERO)
		memset((char *) chunk + CHUNK_HEADER, 0, size);
	return (char *) chunk + CHUNK_HEADER;
}

void
pfree(void *pointer)
{
	Chunk	   *chunk = (Chunk *) ((char *) pointer - CHUNK_HEADER);

	chunk->next->prev = chunk->prev;
	chunk->prev->next = chunk->next;
	free(chunk);
}

void *
palloc(Size size)
{
	return palloc_extended(size, 0);
}

void *
palloc0(Size size)
{
	return palloc_extended(size, MCXT_ALLOC_ZERO);
}

/* Always moves, so that pointers into the old place are found out. */
void *
repalloc(void *pointer, Size size)
{
	Chunk	   *chunk = (Chunk *) ((char *) pointer - CHUNK_HEADER);
	void	   *result = palloc(size);

	memcpy(result, pointer, Min(chunk->size, size));
	pfree(pointer);
	return result;
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return palloc(size);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return palloc0(size);
}

/* Declared like this from PostgreSQL 15 to 19. */
void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	return palloc_extended(size, flags);
}

char *
pnstrdup(const char *text, Size len)
{
	char	   *copy;

	len = strnlen(text, len);
	copy = palloc(len + 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *
pstrdup(const char *text)
{
	return pnstrdup(text, strlen(text));
}

/* These belong to the same file of libpgcommon as the above. */
void *
pg_malloc(size_t size)
{
	return palloc(size);
}

void *
pg_malloc0(size_t size)
{
	return palloc0(size);
}

void *
pg_malloc_extended(size_t size, int flags)
{
	return palloc_extended(size, flags);
}

void *
pg_realloc(void *pointer, size_t size)
{
	return repalloc(pointer, size);
}

char *
pg_strdup(const char *text)
{
	return pstrdup(text);
}

void
pg_free(void *pointer)
{
	if (pointer != NULL)
		pfree(pointer);
}

/* ---------------- errors ---------------- */

bool
errstart(int elevel, const char *domain)
{
	error_level = elevel;
	return elevel >= ERROR;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	MUST(PG_exception_stack != NULL);
	MUST(error_level == ERROR);
	siglongjmp(*PG_exception_stack, 1);
}

void
pg_re_throw(void)
{
	MUST(PG_exception_stack != NULL);
	siglongjmp(*PG_exception_stack, 1);
}

int
errcode(int sqlerrcode)
{
	error_code = sqlerrcode;
	return 0;
}

int
geterrcode(void)
{
	return error_code;
}

int
errmsg(const char *fmt,...)
{
	return 0;
}

int
errmsg_internal(const char *fmt,...)
{
	return 0;
}

int
errdetail(const char *fmt,...)
{
	return 0;
}

int
errdetail_internal(const char *fmt,...)
{
	return 0;
}

int
errhint(const char *fmt,...)
{
	return 0;
}

ErrorData *
CopyErrorData(void)
{
	ErrorData  *edata = palloc0(sizeof(ErrorData));

	edata->sqlerrcode = error_code;
	edata->message = "shim";
	return edata;
}

void
FlushErrorState(void)
{
}

/* ---------------- the loop ---------------- */

void
fuzz_broken(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: broken: %s\n", file, line, what);
	abort();
}

char *
fuzz_text(const uint8 *data, size_t size)
{
	char	   *text = palloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	sigjmp_buf	catcher;

	if (sigsetjmp(catcher, 0) == 0)
	{
		PG_exception_stack = &catcher;
		fuzz_one(data, size);
	}
	PG_exception_stack = NULL;
	while (chunks.next != &chunks)
		pfree((char *) chunks.next + CHUNK_HEADER);
	return 0;
}
