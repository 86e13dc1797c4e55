/*-------------------------------------------------------------------------
 *
 * server_shim.c
 *		As much of a PostgreSQL server as pure rooms of src/ need.
 *
 * Unit tests (test/unit) and fuzz targets (test/fuzz) link rooms of src/ as they
 * are, and this file instead of a server.  Memory comes from malloc, so that a
 * sanitizer sees each piece.  An ERROR jumps to the innermost PG_TRY, or to
 * shim_run().  The linker leaves what is not here at address zero: whoever calls
 * it crashes.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <setjmp.h>

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "server_shim.h"

/* A piece of memory in the one list of all. */
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
static char error_text[1024];

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

/* ---------------- lists ---------------- */

/* A list of this length, whose elements are not set. */
static List *
new_list(int length)
{
	List	   *list = palloc0(sizeof(List));

	list->type = T_List;
	list->length = list->max_length = length;
	list->elements = palloc0(length * sizeof(ListCell));
	return list;
}

List *
list_concat_copy(const List *a, const List *b)
{
	List	   *list;

	if (list_length(a) + list_length(b) == 0)
		return NIL;
	list = new_list(list_length(a) + list_length(b));
	for (int i = 0; i < list_length(a); i++)
		list->elements[i] = a->elements[i];
	for (int i = 0; i < list_length(b); i++)
		list->elements[list_length(a) + i] = b->elements[i];
	return list;
}

List *
list_copy(const List *list)
{
	return list_concat_copy(list, NIL);
}

/* Unlike the server, the next two leave the list as it was. */
List *
lappend(List *list, void *datum)
{
	List	   *one = new_list(1);

	one->elements[0].ptr_value = datum;
	return list_concat_copy(list, one);
}

List *
lcons(void *datum, List *list)
{
	return list_concat_copy(lappend(NIL, datum), list);
}

/* ---------------- errors ---------------- */

bool
errstart(int elevel, const char *domain)
{
	error_level = elevel;
	error_code = ERRCODE_INTERNAL_ERROR;
	error_text[0] = '\0';
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
	if (PG_exception_stack == NULL || error_level != ERROR)
	{
		fprintf(stderr, "%s:%d: %s\n", filename, lineno, shim_error());
		abort();
	}
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

char *
unpack_sql_state(int sql_state)
{
	static char text[6];

	for (int i = 0; i < 5; i++)
	{
		text[i] = PGUNSIXBIT(sql_state);
		sql_state >>= 6;
	}
	return text;
}

int
geterrcode(void)
{
	return error_code;
}

static void
set_error_text(const char *fmt, va_list args)
{
	vsnprintf(error_text, sizeof(error_text), fmt, args);
}

int
errmsg(const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	set_error_text(fmt, args);
	va_end(args);
	return 0;
}

int
errmsg_internal(const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	set_error_text(fmt, args);
	va_end(args);
	return 0;
}

/* Details and hints are not kept. */
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
	edata->message = pstrdup(error_text);
	return edata;
}

void
FlushErrorState(void)
{
}

/* ---------------- interrupts ---------------- */

void
ProcessInterrupts(void)
{
}

/* ---------------- for tests ---------------- */

void
shim_broken(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: broken: %s\n", file, line, what);
	abort();
}

const char *
shim_error(void)
{
	return psprintf("%s %s", unpack_sql_state(error_code), error_text);
}

bool
shim_run(void (*function) (void *), void *arg)
{
	sigjmp_buf	catcher;
	bool		done = false;

	if (sigsetjmp(catcher, 0) == 0)
	{
		PG_exception_stack = &catcher;
		function(arg);
		done = true;
	}
	PG_exception_stack = NULL;
	while (chunks.next != &chunks)
		pfree((char *) chunks.next + CHUNK_HEADER);
	return done;
}
