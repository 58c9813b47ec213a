// Go ends of the laboratory: peer serve|get -flags. Built with the Go of the distribution.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	mode := os.Args[1]
	f := flag.NewFlagSet(mode, flag.ExitOnError)
	addr := f.String("addr", ":443", "where to listen")
	cert := f.String("cert", "", "certificate and key (PEM)")
	ca := f.String("ca", "", "trusted root (PEM)")
	keys := f.String("keys", "", "key log")
	max := f.String("max", "1.3", "highest TLS version")
	min := f.String("min", "1.2", "lowest TLS version")
	alpn := f.String("alpn", "", "protocols")
	need := f.Bool("need", false, "ask for a client certificate and verify it")
	url := f.String("url", "", "what to get")
	timeout := f.Duration("timeout", 20*time.Second, "client timeout")
	f.Parse(os.Args[2:])
	version := map[string]uint16{"1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	config := &tls.Config{MinVersion: version[*min], MaxVersion: version[*max]}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *cert)
		check(err)
		config.Certificates = []tls.Certificate{pair}
	}
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		check(err)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		config.RootCAs, config.ClientCAs = pool, pool
	}
	if *keys != "" {
		out, err := os.OpenFile(*keys, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		check(err)
		config.KeyLogWriter = out
	}
	if *alpn != "" {
		config.NextProtos = strings.Split(*alpn, ",")
	}
	if *need {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if mode == "get" {
		client := &http.Client{Timeout: *timeout, Transport: &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment}}
		answer, err := client.Get(*url)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, err := io.ReadAll(answer.Body)
		fmt.Println(answer.Status, len(body), err)
		client.CloseIdleConnections()
		time.Sleep(100 * time.Millisecond)
		return
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello from go") })
	http.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 200000)) })
	// Starts its answer and panics: net/http aborts the connection.
	http.HandleFunc("/panic", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "20000")
		w.Write(make([]byte, 8000))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	// A steady stream that never completes what Content-Length promises.
	http.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		for i := 0; i < 2000; i++ {
			if _, err := w.Write(make([]byte, 150)); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	listener, err := tls.Listen("tcp", *addr, config)
	check(err)
	check(http.Serve(listener, nil))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
