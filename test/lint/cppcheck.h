/*
 * What cppcheck, which does not read the headers of PostgreSQL, has to know.
 */
#include <stdlib.h>

#define DEBUG1	14
#define LOG		15
#define NOTICE	18
#define WARNING	19
#define ERROR	21
#define FATAL	22
#define PANIC	23

#define ereport(level, ...) do { if ((level) >= ERROR) abort(); } while (0)
#define elog(level, ...) ereport(level, "")
#define XL_ROUTINE(...) NULL
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))
#define LSN_FORMAT_ARGS(lsn) ((unsigned) ((lsn) >> 32)), ((unsigned) (lsn))
