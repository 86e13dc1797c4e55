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

# Where this file is; with VPATH that is not where the objects go.
top := $(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST))))

# (VERSION is that of PostgreSQL)
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" $(top)/$(EXTENSION).control)

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

OBJS = $(patsubst $(top)/%.c,%.o,$(sort $(wildcard $(top)/src/*.c $(top)/src/*/*.c)))

DATA = $(patsubst $(top)/%,%,$(wildcard $(top)/sql/$(EXTENSION)--*.sql))

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
PG_CPPFLAGS = -I$(top)/src -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) \
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

REGRESS = $(sort $(notdir $(basename $(wildcard $(top)/test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test --load-extension=$(EXTENSION)
ISOLATION = $(sort $(notdir $(basename $(wildcard $(top)/test/specs/*.spec))))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=$(EXTENSION)
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

EXTRA_CLEAN = src/redis/lua_scripts.inc test/torture/torture test/torture/*.o $(EXTENSION)-*.zip typedefs.new src/*.bc src/*/*.bc results

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
$(OBJS): $(wildcard $(top)/src/*.h $(top)/src/*/*.h) $(EXTENSION).control Makefile

# With VPATH, make takes a directory of the sources for the one that is missing.
ifneq ($(top),.)
$(shell mkdir -p $(dir $(OBJS)))
endif

# The scripts as C strings, without comments and indentation, and the hashes by
# which Redis knows them.
LUA = $(sort $(wildcard $(top)/src/redis/lua/*.lua))

src/redis/script.o src/redis/script.bc: src/redis/lua_scripts.inc

.DELETE_ON_ERROR:
src/redis/lua_scripts.inc: $(LUA) Makefile | src/redis/
	for file in $(LUA); do \
		text=`sed '/^[[:blank:]]*--/d; s/^[[:blank:]]*//; /^$$/d' $$file` && \
		sha=`printf '%s\n' "$$text" | sha1sum | cut -c 1-40` && [ $${#sha} = 40 ] && \
		printf 'RTC_LUA(%s, "%s",\n' `basename $$file .lua` $$sha && \
		printf '%s\n' "$$text" | sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' && \
		echo ')' || exit 1; \
	done >$@

endif
