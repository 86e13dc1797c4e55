/*-------------------------------------------------------------------------
 *
 * args.c
 *		Arguments of a query, read one by one.
 *
 * query.c reads all arguments to run a query.  Here single ones are read to
 * find out about its answer without running it.
 *
 * Model: an RtcArg lives with a plan.  Input functions may raise.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "query/args.h"

void
rtc_arg_init(RtcArg *arg, const Param *param, MemoryContext context)
{
	Oid			input;

	arg->number = param->paramid;
	getTypeInputInfo(param->paramtype, &input, &arg->ioparam);
	fmgr_info_cxt(input, &arg->input, context);
	arg->is_text = input == F_TEXTIN || input == F_VARCHARIN;
}

bool
rtc_arg_read(RtcArg *arg, ArrayType *args, Datum *value)
{
	int			subscript;
	bool		isnull;
	Datum		given;

	/* query.c has checked their number */
	subscript = ARR_LBOUND(args)[0] + arg->number - 1;
	given = array_get_element(PointerGetDatum(args), 1, &subscript, -1, -1,
							  false, TYPALIGN_INT, &isnull);
	if (isnull)
		return false;
	*value = arg->is_text ? given :
		InputFunctionCall(&arg->input, TextDatumGetCString(given),
						  arg->ioparam, -1);
	return true;
}
