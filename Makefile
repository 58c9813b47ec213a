# The everyday commands. What builds also sees to libpcap, or does without it: .ci/cargo.

PREFIX ?= $(HOME)/.local
BINARY = "$${CARGO_TARGET_DIR:-target}/release/whohungup"
INSTALLED = "$${CARGO_INSTALL_ROOT:-$${CARGO_HOME:-$$HOME/.cargo}}/bin/whohungup"
TUNED = "$${CARGO_TARGET_DIR:-target}/tuned/release/whohungup"

.PHONY: demo test bench lab install

# The main job on a capture of the repository.
demo:
	@.ci/cargo build --release
	@$(BINARY) read captures/office.pcapng

# All tests, and how often the verdicts are right.
test:
	@.ci/cargo test

# Speed, measured against tcpdump, of the program that `make install` installs.
bench:
	@.ci/tuned
	@.ci/cargo bench --bench ratio -- --program=$(TUNED)

# Makes the captures again, from real programs in network namespaces; wants root.
lab:
	@if [ "$$(id -u)" = 0 ] || ! command -v sudo >/dev/null; then captures/lab/run.sh --install; else sudo captures/lab/run.sh --install; fi

# The program into cargo's bin folder, its manual page and completions below PREFIX.
install:
	@.ci/tuned
	@mkdir -p "$$(dirname $(INSTALLED))" && install -m 755 $(TUNED) $(INSTALLED)
	@mkdir -p $(PREFIX)/share/man/man1 $(PREFIX)/share/bash-completion/completions \
		$(PREFIX)/share/zsh/site-functions $(PREFIX)/share/fish/vendor_completions.d
	@set -e; bin=$(INSTALLED); share=$(PREFIX)/share; \
	"$$bin" man >$$share/man/man1/whohungup.1; \
	for command in read show live evidence causes interfaces; do "$$bin" man $$command >$$share/man/man1/whohungup-$$command.1; done; \
	"$$bin" completions bash >$$share/bash-completion/completions/whohungup; \
	"$$bin" completions zsh >$$share/zsh/site-functions/_whohungup; \
	"$$bin" completions fish >$$share/fish/vendor_completions.d/whohungup.fish
