/*-------------------------------------------------------------------------
 *
 * value_hash.c
 *		By which function values are hashed, when rows are named after them.
 *
 * Writers must name whatever readers may name, so both ask here.  A writer
 * keeps what it was told (row_changes.c) until it hears of a change, and it
 * may have written before that.  So it must not happen that values which had
 * no hash function get one behind its back.
 *
 * -   A composite type, and a range of the user's, is hashable if its parts
 *	   are, which come and go with ALTER TYPE: these are not named.  Arrays are
 *	   if their elements come with the server, or are enums.
 *
 * -   A base type, be it of an extension, is as hashable as its operator class
 *	   says.  DDL on that waits for the writers of all tables that it concerns
 *	   and locks others out until it commits (definitions.c).
 *
 * Model: any backend, inside a transaction.  Reads caches of the server, keeps
 * no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/hash.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "dep/value_hash.h"

Oid
rtc_hash_family(Oid typid)
{
	return lookup_type_cache(typid, TYPECACHE_HASH_OPFAMILY)->hash_opf;
}

Oid
rtc_hash_function(Oid typid)
{
	Oid			base = getBaseType(typid);
	Oid			element = get_element_type(base);
	bool		compound = OidIsValid(element);
	TypeCacheEntry *type;

	if (compound)
		base = getBaseType(element);
	switch (get_typtype(base))
	{
		case TYPTYPE_ENUM:
			break;
		case TYPTYPE_BASE:
			if (compound && base >= FirstNormalObjectId)
				return InvalidOid;
			break;
		case TYPTYPE_RANGE:
		case TYPTYPE_MULTIRANGE:
			if (base >= FirstNormalObjectId)
				return InvalidOid;
			compound = true;
			break;
		default:
			return InvalidOid;
	}

	/* The type cache tells whether the parts are hashable, ... */
	if (compound)
		return lookup_type_cache(typid, TYPECACHE_HASH_EXTENDED_PROC)->hash_extended_proc;

	/* ... and is not told when a family gets or loses a function. */
	type = lookup_type_cache(typid, TYPECACHE_HASH_OPFAMILY);
	if (!OidIsValid(type->hash_opf))
		return InvalidOid;
	return get_opfamily_proc(type->hash_opf, type->hash_opintype,
							 type->hash_opintype, HASHEXTENDED_PROC);
}
