/*-------------------------------------------------------------------------
 *
 * fuzz.c
 *		Calls a fuzz target for each input.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fuzz.h"

typedef struct Input
{
	const uint8 *data;
	size_t		size;
} Input;

char *
fuzz_text(const uint8 *data, size_t size)
{
	char	   *text = palloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

static void
run_target(void *arg)
{
	Input	   *input = arg;

	fuzz_one(input->data, input->size);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	Input		input = {data, size};

	(void) shim_run(run_target, &input);
	return 0;
}
