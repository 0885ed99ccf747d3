package report

const method = `## Method

Server and clients share one machine and talk over loopback, so the clients' own cost is in every figure of a server: the processor time of the
generator stands beside each of them. Every client is a closed loop on a connection of its own: it sends the next request when the last one is answered, with the cookies of a
session of its own. Clients use a lean HTTP client (` + "`internal/client`" + `), the same for all servers. Measurements are interleaved: each round runs all
of a table once, with a fixed amount of work, and those of sync in reverse order every second time; a figure is the median of the rounds, with the range. Every answer is checked for its number of
results or rows. Processor times and bytes are for one op, row or poll, as the table counts them.

* **Another build** (` + "`-against PATH`" + `) is measured in the same rounds, each with databases of its own; the ratios are of the medians. Its histories are pushed over HTTP, those of
  this tree by the provider, both with ` + "`synchronous=OFF`" + ` and in pushes of 50, so that a block or a transaction is as large as devices make it.
* **Records** are the recorded traffic of real clients in ` + "`testdata/captured/push-corpus.jsonl`" + `, about 1.9 kB an op as JSON: seven tables, new rows, updates and
  deletes. Each pass gives all ids new digits, so that every pass has the same mix again.
* **The server that only answers** (` + "`internal/ceiling`" + `) reads a request with Go's HTTP server and sends an answer that it has in memory: for pulls the pages that this
  build has sent, in turn. **The server that only keeps and answers** also writes the bodies that have come meanwhile with one write, waits for one fdatasync, and answers
  them all. It writes round and round in 64 MiB that the disk has already. Nothing that acknowledges what is durable, over HTTP, can be faster.
* **SQLite in C** (` + "`internal/csqlite`" + `) is a C program with the distribution's library that writes the same ops into the layout of November 2026, with its pragmas (WAL,
  ` + "`synchronous=FULL`" + `), as many in a transaction as the devices push at once: without HTTP, JSON or checks.
* **Bytes written** are what a server has put out by system calls (` + "`wchar`" + ` of ` + "`/proc/PID/io`" + `) less what the clients have received. ` + "`write_bytes`" + ` would count whole folios of the
  page cache, of up to 2 MiB, for single pages.
* **OR3 Cloud** is the released build, default configuration except ` + "`OR3_LIMITS_ENABLED=false`" + ` and ` + "`OR3_LOG_LEVEL=warn`" + ` (no line for each request).
* **PocketBase** v0.39.6 as a Go library in a process of its own: ` + "`--dev=false`" + `, request log and rate limits off, batch API on; one collection with the columns of an
  op, its payload as a JSON field, and a unique index on the op id. Its batches are atomic, as a push is not.
* **Memory** is the resident or the anonymous set in ` + "`/proc`" + `, peaks are the kernel's own high-water mark, reset before the measurement. MB are 10^6 bytes.
* **Files**: nginx from Debian's packages serves the very file in the server's store, by ` + "`sendfile`" + `, with one process and no log. The copy is one process that reads the
  same bytes from the page cache, takes their SHA-256, writes them and waits for the fsync. The server does all that and takes the digests of blocks, over a connection;
  downloads verify each block before it goes out. Before each step that writes, the disk has settled. Ratios are of the best round of each side, because
  other work on the machine only ever makes a round slower. The many transfers are checked byte for byte, and all begin at the same moment, each on a connection of its own.
* **First visit** (` + "`visit.go`" + `): the page, what it names, and then what its service worker stores, over six connections as a browser does, all through a proxy that lets
  10 Mbit/s through in each direction and holds everything back for 25 ms; a new connection waits for 50 ms more. Losses and TCP's slow start are not part of it. OR3 Cloud has just been started
  and has compressed nothing; nginx from Debian's packages compresses by its usual levels on every visit. ` + "`-client DIR`" + ` takes a real build.
* **Hosts on Node** (` + "`nuxt.go`" + `): the Nuxt host of ` + "`npm/host-fixture`" + ` with our packages, built as its tests build it, in the form of the newest OR3 Chat; its engine is the
  build that is measured everywhere else. ` + "`-chat DIR`" + ` and ` + "`-upstream DIR`" + ` add OR3 Chat itself, built by Nuxt elsewhere: with our packages, and with the packages for Node of the same
  names, whose stores are in the host's own process. All have 10,000 ops in one workspace and are started again before anything is measured. Memory is that of the host and all that it
  has started, peaks are the sum of each process's peak. An empty poll at rest is one device on one connection to a host that does nothing else. The same poll of a foreign
  workspace passes all that the host does itself, the session included, and is refused before the engine is asked: the difference is what the engine adds, its own work on the
  poll included. Limits of the hosts are off.
* **The soak** (` + "`-soak 30m`" + `) lets 16 devices replace and delete 10,000 records, pull and report what they have, while the provider's clock runs 3,600 times as fast and its
  maintenance runs each second. Thirty samples; the first third is not judged.
* **Size after collection** is that of a database in which a device has seen everything and for which two months have passed, by the provider's own clock.
`
