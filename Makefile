# rtcache: a coherent Redis cache for PostgreSQL
#
#   make                build (PGXS; needs the PostgreSQL server headers, hiredis)
#   make install        install into the server that PG_CONFIG names
#   make installcheck   test against a running server with the library preloaded
#
# These need nothing but make; on Debian and Ubuntu they install what they miss:
#
#   make check          all tests, on a private server and a private Redis
#   make demo           the guided tour
#   make torture        a long run of the torture checker (docs/torture.md);
#                       TORTURE="--seconds=60 --seed=7" says how
#   make deps           install the packages that the two above use, no more
#
# And for those who work on rtcache: lint, indent, indent-check, typedefs, dist,
# fuzz (SECONDS=60 for each target).
#
# make CC=clang       builds with clang
# make WERROR=        lets warnings pass (for packagers)
# make with_llvm=yes  adds the bitcode for JIT inlining

EXTENSION = rtcache
MODULE_big = rtcache
PGFILEDESC = "rtcache - coherent Redis cache"

# (VERSION is that of PostgreSQL)
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" $(EXTENSION).control)

OWN_GOALS = check demo deps fuzz lint indent indent-check typedefs dist torture

ifneq ($(filter $(OWN_GOALS),$(MAKECMDGOALS)),)

# The goals of a checkout: they must work where there is no pg_config yet, so
# PGXS stays out of it.  Other goals beside them get a make of their own.

.NOTPARALLEL:
.PHONY: $(MAKECMDGOALS)

ifneq ($(filter-out $(OWN_GOALS),$(MAKECMDGOALS)),)
$(filter-out $(OWN_GOALS),$(MAKECMDGOALS)):
	$(MAKE) $@
endif

check:
	@test/run

demo:
	@demo/run

TORTURE = --seconds=300 --round=20
torture:
	@test/sandbox test/torture/run $(TORTURE)

deps:
	@test/deps test

fuzz: SECONDS = 60
fuzz:
	@test/fuzz/run $(SECONDS)

lint:
	@test/lint/run

indent:
	@test/lint/indent --fix

indent-check:
	@test/lint/indent

typedefs:
	$(MAKE) all
	@test/lint/find-typedefs >typedefs.new
	@mv typedefs.new typedefs.list

dist: DISTVERSION = $(shell sed -n 's/^ *"version": *"\(.*\)".*/\1/p' META.json | head -n 1)
dist:
	git archive --format=zip --prefix=$(EXTENSION)-$(DISTVERSION)/ -o $(EXTENSION)-$(DISTVERSION).zip HEAD

else

OBJS = \
	src/admin.o \
	src/arg.o \
	src/attach.o \
	src/batch.o \
	src/breaker.o \
	src/cacheable.o \
	src/catalog_row.o \
	src/catalog_watch.o \
	src/clock.o \
	src/closed.o \
	src/collect.o \
	src/commit_wait.o \
	src/covered.o \
	src/ddl.o \
	src/definition.o \
	src/dep.o \
	src/deps.o \
	src/deps_eval.o \
	src/depset.o \
	src/explain.o \
	src/facts.o \
	src/fetch.o \
	src/flight.o \
	src/gone_rows.o \
	src/guc.o \
	src/health.o \
	src/inject.o \
	src/interest.o \
	src/jobs.o \
	src/jobs_list.o \
	src/judge.o \
	src/judge_function.o \
	src/judge_type.o \
	src/key.o \
	src/l1.o \
	src/l1_evict.o \
	src/l1_view.o \
	src/lag.o \
	src/literal.o \
	src/lookup.o \
	src/meaning.o \
	src/money.o \
	src/op_merge.o \
	src/oplist.o \
	src/owned.o \
	src/peek.o \
	src/pin.o \
	src/pins.o \
	src/plan.o \
	src/policy.o \
	src/portable.o \
	src/position.o \
	src/prefix.o \
	src/prefix_owner.o \
	src/progress.o \
	src/provenance.o \
	src/publish.o \
	src/query.o \
	src/redis_backend.o \
	src/redis_cmd.o \
	src/redis_conn.o \
	src/redis_connect.o \
	src/redis_hint.o \
	src/redis_id.o \
	src/redis_password.o \
	src/redis_reply.o \
	src/redis_scan.o \
	src/redis_script.o \
	src/redis_session.o \
	src/redis_tls.o \
	src/redis_url.o \
	src/relay.o \
	src/relay_info.o \
	src/row_change.o \
	src/row_json.o \
	src/rtcache.o \
	src/rule.o \
	src/rule_check.o \
	src/rule_clash.o \
	src/rule_keys.o \
	src/rule_merge.o \
	src/rule_names.o \
	src/rule_view.o \
	src/seal.o \
	src/shape.o \
	src/shmem.o \
	src/slot.o \
	src/sql_body.o \
	src/stamps.o \
	src/standby.o \
	src/standby_address.o \
	src/stats.o \
	src/stream.o \
	src/stream_apply.o \
	src/stream_clear.o \
	src/stream_store.o \
	src/suspect.o \
	src/sweep.o \
	src/tag_drop.o \
	src/template.o \
	src/track.o \
	src/trigger.o \
	src/trust.o \
	src/ttl.o \
	src/upgrade.o \
	src/value_hash.o \
	src/wal_bounds.o \
	src/wal_message.o \
	src/wal_message_v1.o \
	src/wal_reader.o \
	src/xact.o \
	src/xid.o

DATA = $(wildcard sql/$(EXTENSION)--*.sql)

# Compiling and linking

WERROR = -Werror
WARNINGS = -Wall -Wextra $(WERROR) -Wmissing-prototypes -Wvla \
	-Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers

# Which compiler it is can be asked only when PGXS has said so: hence no ":=".
# clang is given the flags of the gcc that built PostgreSQL, and forgives them.
SHADOW_gcc = -Wshadow=local
SHADOW_clang = -Wshadow -Wno-unknown-warning-option \
	-Wno-unused-command-line-argument -Wno-ignored-optimization-argument \
	-Wno-ignored-attributes
PG_CFLAGS = $(WARNINGS) $(SHADOW_$(if $(findstring clang,$(shell $(CC) --version 2>&1)),clang,gcc))

PKG_CONFIG ?= pkg-config
HIREDIS = hiredis
# The headers of PostgreSQL are not ours to warn about.
PG_CPPFLAGS = -isystem $(shell $(PG_CONFIG) --includedir-server) \
	-DRTCACHE_VERSION='"$(EXTVERSION)"'
# TLS needs both: the certificate's host name is checked with OpenSSL itself.
ifeq ($(shell $(PKG_CONFIG) --exists hiredis_ssl openssl 2>/dev/null && echo yes),yes)
HIREDIS += hiredis_ssl openssl
PG_CPPFLAGS += -DRTC_HAVE_TLS
endif
PG_CPPFLAGS += $(shell $(PKG_CONFIG) --cflags $(HIREDIS) 2>/dev/null)
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs $(HIREDIS) 2>/dev/null)

# PostgreSQL as packaged asks for bitcode, which takes a clang that need not
# be there; rtcache has nothing that is worth inlining.
ifneq ($(origin with_llvm),command line)
override with_llvm = no
endif

# Tests against a running server

REGRESS = $(sort $(notdir $(basename $(wildcard test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test --load-extension=$(EXTENSION)
ISOLATION = $(sort $(notdir $(basename $(wildcard test/specs/*.spec))))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=$(EXTENSION)
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

EXTRA_CLEAN = test/torture/torture test/torture/*.o $(EXTENSION)-*.zip typedefs.new src/*.bc results

# Say what is missing before the compiler does.

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error $(PG_CONFIG) finds no PostgreSQL to build for: install the server's \
development files (Debian: postgresql-server-dev-NN, or "make deps") or set PG_CONFIG)
endif
ifeq ($(filter clean distclean maintainer-clean installcheck uninstall,$(MAKECMDGOALS)),)
ifneq ($(shell $(PKG_CONFIG) --exists hiredis 2>/dev/null && echo yes),yes)
$(error $(PKG_CONFIG) finds no hiredis: install it with its development files \
(Debian: libhiredis-dev and pkg-config, or "make deps"))
endif
endif

include $(PGXS)

PG_PROVE_FLAGS += -I $(srcdir)/test/lib

# Every object depends on every header: a build takes seconds.
$(OBJS): $(wildcard src/*.h) $(EXTENSION).control Makefile

endif
