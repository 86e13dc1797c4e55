/*-------------------------------------------------------------------------
 *
 * money.c
 *		May values of type money be involved in a query?
 *
 * They are written, and read, as lc_monetary says.  Setting that for each query
 * costs more than many a query (pinned_settings.c), so it is done if need be only.
 *
 * MODEL: called by cacheable.c when a query is prepared.  Reads catalogs, keeps
 * no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#include "query/money.h"

/* May a value of this type contain money? */
static bool
type_may_hold_money(Oid typid)
{
	Oid			element;

	typid = getBaseType(typid);
	element = get_element_type(typid);
	if (OidIsValid(element))
		typid = getBaseType(element);
	return typid == MONEYOID || type_is_rowtype(typid);
}

bool
rtc_brings_money(Node *node)
{
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			if (((FuncExpr *) node)->funcid >= FirstNormalObjectId)
				return true;
			return type_may_hold_money(exprType(node));
		case T_CoerceViaIO:
		case T_Const:
		case T_Param:
		case T_RowExpr:
		case T_Var:
			return type_may_hold_money(exprType(node));
		case T_Aggref:
			return ((Aggref *) node)->aggfnoid >= FirstNormalObjectId;
		case T_WindowFunc:
			return ((WindowFunc *) node)->winfnoid >= FirstNormalObjectId;
		case T_OpExpr:
			return ((OpExpr *) node)->opno >= FirstNormalObjectId;
		default:
			return false;
	}
}
