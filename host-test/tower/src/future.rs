//! A request on its way through the chain to the service, and the response on its way back, until
//! the response's headers are out.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use gatepost_host::{Direction, Headers, Part};
use http::{Method, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::{BoxError, Source, WasmBody};
use crate::connection::{ConnectionInfo, RouteCacheCleared};
use crate::exchange::{Exchange, Next};
use crate::message::{
    RequestKept, ResponseKept, Unfit, request_in, request_out, response_in, response_out,
};
use crate::pool::Pool;
use crate::upstream_error::{UpstreamErrors, UpstreamFailure};

pin_project! {
    /// The response of a [`WasmService`](crate::WasmService). Dropping it ends the exchange, as a
    /// client does that goes away.
    #[must_use = "futures do nothing unless polled"]
    pub struct WasmFuture<S, E, B, R>
    where
        S: Service<http::Request<WasmBody<B>>>,
    {
        exchange: Option<Exchange>,
        // Until the request's headers are out of the chain.
        before: Option<Before<S, B>>,
        #[pin]
        calling: Option<S::Future>,
        // From the response's coming until its headers are out of the chain.
        kept: ResponseKept,
        answer: Option<Source<R>>,
        method: Method,
        errors: E,
    }
}

/// A request that the service has not got yet.
struct Before<S, B> {
    inner: S,
    kept: RequestKept,
    source: Option<Source<B>>,
}

impl<S, E, B, R> WasmFuture<S, E, B, R>
where
    S: Service<http::Request<WasmBody<B>>>,
    B: Body,
    B::Error: Into<BoxError>,
{
    pub(crate) fn new(pool: &Pool, inner: S, errors: E, request: http::Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let info = ConnectionInfo::stream_info(head.extensions.get(), head.version);
        let method = head.method.clone();
        let (headers, kept) = request_in(head);
        let end_stream = body.is_end_stream();
        let source = (!end_stream).then(|| Source::new(body, Direction::Request));
        let exchange = pool.open(info);
        exchange.feed(Direction::Request, Part::Headers { headers, end_stream });
        Self {
            exchange: Some(exchange),
            before: Some(Before { inner, kept, source }),
            calling: None,
            kept: ResponseKept::default(),
            answer: None,
            method,
            errors,
        }
    }
}

impl<S, E, B, R> Future for WasmFuture<S, E, B, R>
where
    S: Service<http::Request<WasmBody<B>>, Response = Response<R>>,
    E: UpstreamErrors<S::Error>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<WasmBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            // Polled again after its end.
            let Some(exchange) = this.exchange.as_ref() else { return Poll::Pending };
            let response = exchange.next(Direction::Response, cx.waker());
            match response {
                Next::Part(Part::Headers { headers, end_stream }) => {
                    let (kept, answer) = (std::mem::take(this.kept), this.answer.take());
                    this.calling.set(None);
                    let exchange = this.exchange.take();
                    return Poll::Ready(Ok(answered(exchange, &headers, end_stream, kept, answer)));
                }
                Next::Reset | Next::End => {
                    this.calling.set(None);
                    this.exchange.take();
                    return Poll::Ready(Ok(aborted()));
                }
                // There is no body before the headers.
                Next::Part(_) => continue,
                Next::Wants | Next::HoldsBack => {}
            }
            if let Some(before) = this.before.as_mut() {
                match exchange.next(Direction::Request, cx.waker()) {
                    Next::Part(Part::Headers { headers, end_stream }) => {
                        let Some(Before { mut inner, kept, source }) = this.before.take() else {
                            continue;
                        };
                        match outbound(exchange, &headers, end_stream, kept, source) {
                            Ok(request) => this.calling.set(Some(inner.call(request))),
                            Err(unfit) => exchange.reply(
                                503,
                                &unfit.to_string(),
                                "filter_removed_required_request_headers",
                            ),
                        }
                        continue;
                    }
                    Next::Wants => {
                        if let Some(source) = before.source.as_mut()
                            && let Poll::Ready(part) = source.poll_part(cx)
                        {
                            match part {
                                Ok(part) => exchange.feed(Direction::Request, part),
                                // The service has not been called, so it cannot get the error.
                                Err(_) => exchange.reply(400, "Bad Request", "request_body_failed"),
                            }
                            continue;
                        }
                    }
                    Next::Part(_) | Next::HoldsBack | Next::End | Next::Reset => {}
                }
            }
            if let Some(calling) = this.calling.as_mut().as_pin_mut()
                && let Poll::Ready(result) = calling.poll(cx)
            {
                this.calling.set(None);
                match result {
                    Ok(response) => {
                        (*this.kept, *this.answer) = inbound(exchange, response, this.method);
                    }
                    Err(error) => match this.errors.failure(&error) {
                        UpstreamFailure::Reset(reason) => exchange.upstream_reset(reason),
                        UpstreamFailure::Reply { status, body, details } => {
                            exchange.reply(status, &body, &details);
                        }
                    },
                }
                continue;
            }
            if matches!(response, Next::Wants)
                && let Some(answer) = this.answer.as_mut()
                && let Poll::Ready(part) = answer.poll_part(cx)
            {
                match part {
                    Ok(part) => exchange.feed(Direction::Response, part),
                    Err(_) => exchange.upstream_reset("remote reset"),
                }
                continue;
            }
            return Poll::Pending;
        }
    }
}

/// The request as the service gets it.
fn outbound<B>(
    exchange: &Exchange,
    headers: &Headers,
    end_stream: bool,
    kept: RequestKept,
    source: Option<Source<B>>,
) -> Result<http::Request<WasmBody<B>>, Unfit> {
    let mut head = request_out(headers, kept)?;
    if exchange.route_cache_cleared() {
        head.extensions.insert(RouteCacheCleared);
    }
    let body = if end_stream {
        WasmBody::empty()
    } else {
        WasmBody::request(exchange.upstream_side(), source)
    };
    Ok(http::Request::from_parts(head, body))
}

/// Shows the service's response to the chain. The result is what guests do not see of it, and its
/// body.
fn inbound<R>(
    exchange: &Exchange,
    response: Response<R>,
    method: &Method,
) -> (ResponseKept, Option<Source<R>>)
where
    R: Body,
    R::Error: Into<BoxError>,
{
    let (head, body) = response.into_parts();
    let has_none = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || head.status.is_informational();
    // What answers a CONNECT is a tunnel and has no length (RFC 9110, section 8.6).
    let length = body.size_hint().exact().filter(|_| !has_none && *method != Method::CONNECT);
    let end_stream = *method == Method::HEAD || has_none || body.is_end_stream();
    let (headers, kept) = response_in(head, length);
    exchange.feed(Direction::Response, Part::Headers { headers, end_stream });
    (kept, (!end_stream).then(|| Source::new(body, Direction::Response)))
}

/// The response as the client gets it.
fn answered<R>(
    exchange: Option<Exchange>,
    headers: &Headers,
    end_stream: bool,
    kept: ResponseKept,
    answer: Option<Source<R>>,
) -> Response<WasmBody<R>> {
    let Some(exchange) = exchange else { return aborted() };
    let local = exchange.local_reply();
    // A local reply has nothing of the service's response.
    let (kept, answer) =
        if local.is_some() { (ResponseKept::default(), None) } else { (kept, answer) };
    let mut head = match response_out(headers, kept) {
        Ok(head) => head,
        // As in Envoy, whose codec refuses what it cannot write.
        Err(_) => return status_only(StatusCode::BAD_GATEWAY, WasmBody::empty()),
    };
    if let Some(local) = local {
        head.extensions.insert(local);
    }
    let body = if end_stream { WasmBody::empty() } else { WasmBody::response(exchange, answer) };
    Response::from_parts(head, body)
}

/// The answer when the stream was reset before there was a response. The service's error type has
/// no value for that, so the body fails.
fn aborted<R>() -> Response<WasmBody<R>> {
    status_only(StatusCode::SERVICE_UNAVAILABLE, WasmBody::aborted())
}

fn status_only<R>(status: StatusCode, body: WasmBody<R>) -> Response<WasmBody<R>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
